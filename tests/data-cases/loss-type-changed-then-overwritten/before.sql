CREATE TABLE messages (id int PRIMARY KEY, status int);
