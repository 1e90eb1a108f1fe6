CREATE TABLE t (id int PRIMARY KEY, n numeric(10,2));
