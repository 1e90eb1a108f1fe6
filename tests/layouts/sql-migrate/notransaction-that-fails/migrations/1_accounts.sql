-- +migrate Up
CREATE TABLE accounts (id bigint PRIMARY KEY, mail text NOT NULL);

-- +migrate Down
DROP TABLE accounts;
