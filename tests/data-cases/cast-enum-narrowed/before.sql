CREATE TYPE state AS ENUM ('new', 'open', 'void');
CREATE TABLE o (id int PRIMARY KEY, s state);
