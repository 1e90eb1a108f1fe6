CREATE TABLE settings (id integer PRIMARY KEY CHECK (id = 1));
