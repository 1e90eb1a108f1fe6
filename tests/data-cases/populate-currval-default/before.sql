CREATE SEQUENCE chains_id_seq;
CREATE TABLE chains (id int PRIMARY KEY DEFAULT nextval('chains_id_seq'), name text NOT NULL UNIQUE, space text NOT NULL DEFAULT 'chain' || currval('chains_id_seq'));
CREATE TABLE blocks (id int PRIMARY KEY, chain int NOT NULL REFERENCES chains, hash text);
