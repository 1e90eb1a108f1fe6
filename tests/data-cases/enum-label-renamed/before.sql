CREATE TYPE state AS ENUM ('new', 'open');
CREATE TABLE orders (id bigint PRIMARY KEY, state state NOT NULL);
