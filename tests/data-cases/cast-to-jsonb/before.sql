CREATE TABLE k (id int PRIMARY KEY, doc text);
