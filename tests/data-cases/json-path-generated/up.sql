ALTER TABLE files ADD COLUMN size bigint GENERATED ALWAYS AS ((meta ->> 'size')::bigint) STORED;
