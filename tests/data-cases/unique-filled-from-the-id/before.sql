CREATE TABLE users (id int PRIMARY KEY, number int UNIQUE);
