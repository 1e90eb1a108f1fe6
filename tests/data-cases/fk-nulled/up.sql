UPDATE orders SET user_id = NULL WHERE user_id NOT IN (SELECT id FROM users);
ALTER TABLE orders ADD CONSTRAINT orders_user_fk FOREIGN KEY (user_id) REFERENCES users (id);
