CREATE TABLE stays (id int PRIMARY KEY, during int4range NOT NULL, confirmed boolean NOT NULL);
