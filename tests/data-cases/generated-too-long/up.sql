ALTER TABLE users ADD COLUMN handle varchar(8) GENERATED ALWAYS AS (lower(email)) STORED;
