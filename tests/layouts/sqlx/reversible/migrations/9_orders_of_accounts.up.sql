-- Add up migration script here
CREATE TABLE orders (id bigint PRIMARY KEY, account bigint NOT NULL REFERENCES accounts);
CREATE FUNCTION one() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;
INSERT INTO orders SELECT one(), id FROM accounts;
