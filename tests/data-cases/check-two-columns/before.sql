CREATE TABLE spans (id int PRIMARY KEY, first date NOT NULL, last date NOT NULL);
