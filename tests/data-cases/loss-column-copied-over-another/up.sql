UPDATE users SET email = name WHERE name IS NOT NULL;
ALTER TABLE users DROP COLUMN name;
