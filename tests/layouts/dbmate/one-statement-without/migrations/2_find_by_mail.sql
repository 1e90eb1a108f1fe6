-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY accounts_mail ON accounts (mail);

-- migrate:down transaction:false
DROP INDEX CONCURRENTLY accounts_mail;
