ALTER TABLE users ADD COLUMN last_status text;
UPDATE users SET last_status = coalesce((SELECT status FROM orders WHERE user_id = users.id ORDER BY id DESC LIMIT 1), 'none');
ALTER TABLE users ALTER COLUMN last_status SET NOT NULL;
