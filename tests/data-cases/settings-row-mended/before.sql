CREATE TABLE settings (id integer PRIMARY KEY CHECK (id = 1), title text);
INSERT INTO settings (id, title) VALUES (1, 'Shop');
