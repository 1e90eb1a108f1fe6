CREATE TABLE breaks (id int PRIMARY KEY, lasts interval NOT NULL);
