ALTER TABLE users ADD COLUMN s text;
UPDATE users SET s = (SELECT status FROM orders WHERE user_id = users.id);
