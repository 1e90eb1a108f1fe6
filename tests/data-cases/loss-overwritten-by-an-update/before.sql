CREATE TABLE users (id int PRIMARY KEY, locale text NOT NULL);
