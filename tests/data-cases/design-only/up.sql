CREATE TABLE t (id int PRIMARY KEY, u bigint REFERENCES users, v bigint REFERENCES users, CHECK (num_nonnulls(u, v) = 1));
