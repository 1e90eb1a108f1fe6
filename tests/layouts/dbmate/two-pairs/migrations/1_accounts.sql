-- migrate:up
CREATE TABLE accounts (id bigint PRIMARY KEY);

-- migrate:down
DROP TABLE accounts;

-- migrate:up
CREATE TABLE orders (id bigint PRIMARY KEY);

-- migrate:down
DROP TABLE orders;
