CREATE TABLE b (id int PRIMARY KEY, f date NOT NULL, t date NOT NULL, CHECK (f < t));
