-- +migrate Up
CREATE TABLE accounts (id bigint PRIMARY KEY)

-- +migrate Down
DROP TABLE accounts;
