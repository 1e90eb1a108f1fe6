CREATE TABLE posts (id integer PRIMARY KEY, score numeric(6, 2));
