-- Add up migration script here
CREATE TABLE accounts (id bigint PRIMARY KEY, mail text NOT NULL);
INSERT INTO accounts VALUES (1, 'a;b@example.org');
