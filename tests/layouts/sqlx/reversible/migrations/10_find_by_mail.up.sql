-- no-transaction
CREATE INDEX CONCURRENTLY accounts_mail ON accounts (mail)
