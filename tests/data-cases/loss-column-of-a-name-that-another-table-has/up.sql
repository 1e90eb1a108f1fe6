UPDATE shops SET name = upper(name);
ALTER TABLE users DROP COLUMN name;
