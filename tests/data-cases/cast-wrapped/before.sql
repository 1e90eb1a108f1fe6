CREATE TABLE posts (id integer PRIMARY KEY, tag text);
CREATE TABLE reviews (id integer PRIMARY KEY, score integer, author text NOT NULL, body text);
