CREATE TABLE items (id int PRIMARY KEY, amount int);
