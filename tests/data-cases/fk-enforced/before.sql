CREATE TABLE users (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint CONSTRAINT orders_user REFERENCES users NOT ENFORCED);
