CREATE TABLE spans (id int PRIMARY KEY, lo int NOT NULL CHECK (lo > 10), hi int NOT NULL, CHECK (hi > lo));
