CREATE TABLE visits (id int PRIMARY KEY, at date NOT NULL);
