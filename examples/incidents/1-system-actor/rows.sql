-- Rows that production had before 20251012140000.
INSERT INTO users (id, email) VALUES ('user-123', 'user-123@example.com');
INSERT INTO audit_log (id, actor_user_id, action) VALUES
    (1, 'system', 'User.Created'),
    (2, 'user-123', 'User.Updated'),
    (3, 'user-deleted-since', 'Chat.Banned');
