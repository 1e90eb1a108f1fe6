-- accounts come first
-- +migrate Up
CREATE TABLE accounts (id bigint PRIMARY KEY, mail text NOT NULL);
CREATE INDEX accounts_mail ON accounts (mail);

-- +migrate Down
DROP TABLE accounts;
