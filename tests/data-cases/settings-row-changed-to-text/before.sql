CREATE TABLE config (only_one boolean NOT NULL DEFAULT true UNIQUE, retries text, CHECK (only_one));
INSERT INTO config (retries) VALUES ('3');
