ALTER TABLE orders ADD UNIQUE (user_id, status);
