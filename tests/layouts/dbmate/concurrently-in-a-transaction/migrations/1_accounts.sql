-- migrate:up
CREATE TABLE accounts (id bigint PRIMARY KEY, mail text NOT NULL);

-- migrate:down
DROP TABLE accounts;
