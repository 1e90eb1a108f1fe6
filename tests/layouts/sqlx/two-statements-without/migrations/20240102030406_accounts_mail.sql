-- no-transaction
CREATE INDEX CONCURRENTLY accounts_mail ON accounts (mail);
ALTER TABLE accounts ADD born date;
