-- Rows that production had before 20251018093000.
INSERT INTO chats (id) VALUES (100);
INSERT INTO messages (id, chat_id, telegram_message_id, text) VALUES (22053, 100, 200, 'Test');
INSERT INTO message_edits (id, message_id, edit_sequence, edited_text) VALUES (1, 22053, 1, 'Edited');
INSERT INTO message_translations (id, message_id, translated_text) VALUES
    (1, 22053, 'First translation'),
    (2, 22053, 'Second translation');
INSERT INTO message_translations (id, edit_id, translated_text, translated_at) VALUES
    (3, 1, 'Newer', '2025-10-02'),
    (4, 1, 'Older', '2025-10-01');
