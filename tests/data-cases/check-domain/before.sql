CREATE DOMAIN rate AS numeric;
CREATE TABLE p (id int PRIMARY KEY, r rate);
