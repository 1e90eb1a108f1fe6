CREATE TABLE profiles (user_id bigint PRIMARY KEY REFERENCES users (id), title text);
INSERT INTO profiles (user_id, title) SELECT id, name FROM users;
ALTER TABLE users DROP COLUMN name;
