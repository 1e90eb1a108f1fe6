CREATE TABLE files (id int PRIMARY KEY, path text NOT NULL);
