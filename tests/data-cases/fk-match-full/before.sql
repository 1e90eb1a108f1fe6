CREATE TABLE a (x int, y text, PRIMARY KEY (x, y));
CREATE TABLE b (id int PRIMARY KEY, x int, y text, FOREIGN KEY (x, y) REFERENCES a (x, y));
