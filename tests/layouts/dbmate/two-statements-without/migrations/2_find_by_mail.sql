-- migrate:up transaction:false
ALTER TABLE accounts ADD COLUMN name text;
CREATE INDEX CONCURRENTLY accounts_mail ON accounts (mail);

-- migrate:down
DROP INDEX accounts_mail;
