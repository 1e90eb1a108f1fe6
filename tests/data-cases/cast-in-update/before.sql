CREATE TABLE i (id int PRIMARY KEY, born text);
