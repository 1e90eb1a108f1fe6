ALTER TABLE audit ADD COLUMN user_id text;
UPDATE audit SET user_id = actor;
ALTER TABLE audit ADD FOREIGN KEY (user_id) REFERENCES users (id);
