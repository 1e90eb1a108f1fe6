ALTER TABLE files ALTER COLUMN path TYPE bytea USING path::bytea;
