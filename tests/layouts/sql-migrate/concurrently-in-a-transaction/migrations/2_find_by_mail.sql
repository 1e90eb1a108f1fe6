-- +migrate Up
CREATE INDEX CONCURRENTLY accounts_mail ON accounts (mail);

-- +migrate Down
DROP INDEX accounts_mail;
