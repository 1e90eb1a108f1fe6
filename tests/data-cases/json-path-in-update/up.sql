ALTER TABLE files ADD COLUMN size bigint;
UPDATE files SET size = (meta ->> 'size')::bigint;
