ALTER TABLE i ALTER COLUMN q TYPE integer USING nullif(q, '')::integer;
