CREATE TABLE follows (id int PRIMARY KEY, pending boolean NOT NULL DEFAULT false);
