ALTER TABLE users ADD COLUMN title text;
UPDATE users SET title = name;
ALTER TABLE users DROP COLUMN name;
