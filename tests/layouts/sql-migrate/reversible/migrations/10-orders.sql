-- +migrate Up
CREATE TABLE orders (id bigint PRIMARY KEY, account bigint REFERENCES accounts);

-- +migrate Down
DROP TABLE orders;
