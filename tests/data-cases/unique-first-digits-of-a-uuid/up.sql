ALTER TABLE tokens ADD COLUMN name text;
UPDATE tokens SET name = split_part(id::text, '-', 1);
CREATE UNIQUE INDEX tokens_name ON tokens (owner_id, name);
