-- Your SQL goes here
CREATE TABLE accounts (id bigint PRIMARY KEY, mail text NOT NULL, updated_at timestamptz);
SELECT diesel_manage_updated_at('accounts');
INSERT INTO accounts VALUES (1, 'a;b@example.org');
