CREATE TABLE notes (id int PRIMARY KEY, tenant text NOT NULL, body text);
