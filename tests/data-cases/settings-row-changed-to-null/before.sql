CREATE TABLE settings (id integer PRIMARY KEY CHECK (id = 1), title text, theme text NOT NULL DEFAULT 'light');
INSERT INTO settings (id, title) VALUES (1, 'Shop');
