CREATE TABLE orders (id bigint PRIMARY KEY, account bigint NOT NULL REFERENCES accounts);
INSERT INTO orders SELECT 1, id FROM accounts;
