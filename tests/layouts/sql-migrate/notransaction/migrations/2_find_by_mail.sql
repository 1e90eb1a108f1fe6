-- +migrate Up notransaction
ALTER TABLE accounts ADD COLUMN name text;
CREATE INDEX CONCURRENTLY accounts_mail ON accounts (mail);

-- +migrate Down notransaction
DROP INDEX CONCURRENTLY accounts_mail;
ALTER TABLE accounts DROP COLUMN name;
