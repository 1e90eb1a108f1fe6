ALTER TABLE users ADD COLUMN data jsonb NOT NULL DEFAULT '{}';
UPDATE users SET data = jsonb_build_object('name', name);
ALTER TABLE users DROP COLUMN name;
