ALTER TABLE files ADD COLUMN size bigint;
UPDATE files SET size = (meta ->> 'size')::bigint WHERE meta ->> 'size' ~ '^[0-9]{1,15}$';
