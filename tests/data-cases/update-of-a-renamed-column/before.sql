CREATE TABLE hooks (id bigint PRIMARY KEY, skip boolean NOT NULL);
