CREATE TABLE stages (id bigint PRIMARY KEY, reached int NOT NULL);
