CREATE TABLE settings (id integer PRIMARY KEY CHECK (id = 1), title text, CHECK (title IS NOT NULL));
INSERT INTO settings (id, title) VALUES (1, 'Shop');
