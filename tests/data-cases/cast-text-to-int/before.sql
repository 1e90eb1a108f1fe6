CREATE TABLE i (id int PRIMARY KEY, q text);
