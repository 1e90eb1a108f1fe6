-- migrate:up
CREATE INDEX accounts_mail ON accounts (mail);

-- migrate:down transaction:false
DROP INDEX CONCURRENTLY accounts_mail;
