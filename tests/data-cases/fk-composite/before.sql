CREATE TABLE a (x int, y text, PRIMARY KEY (x, y));
CREATE TABLE b (id int PRIMARY KEY, x int, y text);
