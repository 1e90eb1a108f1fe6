CREATE TABLE votes (id bigint PRIMARY KEY, poll bigint NOT NULL, person bigint);
