-- +migrate Up notransaction
ALTER TABLE accounts ADD COLUMN name text;
CREATE INDEX accounts_mail ON accounts (no_such_column);

-- +migrate Down
ALTER TABLE accounts DROP COLUMN name;
