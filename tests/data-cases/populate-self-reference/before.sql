CREATE TABLE n (id int PRIMARY KEY, up int NOT NULL REFERENCES n, note text);
