CREATE TABLE users (id int PRIMARY KEY);
CREATE TABLE seats (id int PRIMARY KEY, user_id int REFERENCES users, guest int, CHECK (num_nonnulls(user_id, guest) = 1));
