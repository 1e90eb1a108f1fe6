ALTER TABLE sessions ADD FOREIGN KEY (user_id) REFERENCES users (id);
