CREATE TABLE prices (id int PRIMARY KEY, amount numeric NOT NULL);
