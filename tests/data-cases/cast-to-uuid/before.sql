CREATE TABLE k (id int PRIMARY KEY, ref text);
