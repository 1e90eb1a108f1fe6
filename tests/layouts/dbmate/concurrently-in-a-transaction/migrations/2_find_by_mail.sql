-- migrate:up
CREATE INDEX CONCURRENTLY accounts_mail ON accounts (mail);

-- migrate:down
DROP INDEX accounts_mail;
