CREATE TABLE levels (id int PRIMARY KEY);
INSERT INTO levels VALUES (1), (2);
CREATE TABLE games (id int PRIMARY KEY, level int CHECK (level BETWEEN 1 AND 5));
