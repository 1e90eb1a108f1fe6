CREATE TABLE ev (id int NOT NULL, at date NOT NULL, kind text) PARTITION BY RANGE (at);
