CREATE TABLE users (id int PRIMARY KEY);
CREATE TABLE cards (id int PRIMARY KEY, owner int);
