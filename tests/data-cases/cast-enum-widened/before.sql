CREATE TYPE state AS ENUM ('new', 'open');
CREATE TABLE o (id int PRIMARY KEY, s state);
