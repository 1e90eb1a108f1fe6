UPDATE users SET email = name WHERE email IS NULL;
ALTER TABLE users DROP COLUMN name;
