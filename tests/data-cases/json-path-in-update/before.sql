CREATE TABLE files (id bigint PRIMARY KEY, meta jsonb NOT NULL);
