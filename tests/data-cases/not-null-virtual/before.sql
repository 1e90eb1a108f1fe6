CREATE TABLE lines (id bigint PRIMARY KEY, price int NOT NULL, number int);
