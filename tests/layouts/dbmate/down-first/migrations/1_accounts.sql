-- migrate:down
DROP TABLE accounts;

-- migrate:up
CREATE TABLE accounts (id bigint PRIMARY KEY);
