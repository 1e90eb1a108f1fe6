CREATE TABLE users (id text PRIMARY KEY);
CREATE TABLE audit (id int PRIMARY KEY, actor text NOT NULL);
