ALTER TABLE users ALTER COLUMN email TYPE text USING coalesce(name, email);
ALTER TABLE users DROP COLUMN name;
