CREATE TABLE b (id int PRIMARY KEY, during tstzrange NOT NULL);
