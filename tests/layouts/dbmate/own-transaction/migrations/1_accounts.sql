-- migrate:up
BEGIN;
CREATE TABLE accounts (id bigint PRIMARY KEY);
COMMIT;

-- migrate:down
BEGIN;
DROP TABLE accounts;
COMMIT;
