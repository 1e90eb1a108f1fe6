CREATE TABLE cards (id bigint PRIMARY KEY, position int NOT NULL UNIQUE);
