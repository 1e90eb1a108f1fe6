CREATE TYPE state AS ENUM ('new', 'open', 'void');
CREATE TABLE orders (id bigint PRIMARY KEY, state state NOT NULL);
