-- +migrate Up
BEGIN;
CREATE TABLE accounts (id bigint PRIMARY KEY);
COMMIT;

-- +migrate Down
DROP TABLE accounts;
