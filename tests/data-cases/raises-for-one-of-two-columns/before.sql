CREATE TABLE orders (id bigint PRIMARY KEY, state text NOT NULL, amount int NOT NULL);
