CREATE TABLE items (id int PRIMARY KEY, label int CHECK (label > 5), rank int);
