CREATE TABLE pets (kind text NOT NULL, id int NOT NULL, name text, PRIMARY KEY (kind, id));
INSERT INTO pets SELECT 'cat', id, name FROM cats;
INSERT INTO pets SELECT 'dog', id, name FROM dogs;
