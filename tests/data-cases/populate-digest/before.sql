CREATE TABLE v (id int PRIMARY KEY, sha bytea NOT NULL UNIQUE CHECK (octet_length(sha) = 32), note text);
