-- accounts come first
-- migrate:up
CREATE TABLE accounts (id bigint PRIMARY KEY, mail text NOT NULL);
CREATE INDEX accounts_mail ON accounts (mail);

-- migrate:down
DROP TABLE accounts;
