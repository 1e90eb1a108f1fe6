CREATE TABLE pets (id int PRIMARY KEY, name text);
INSERT INTO pets SELECT id, name FROM cats;
INSERT INTO pets SELECT id, name FROM dogs;
