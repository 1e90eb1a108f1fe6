ALTER TABLE users ADD COLUMN last_order bigint;
UPDATE users SET last_order = (SELECT max(id) FROM orders WHERE user_id = users.id);
