CREATE TABLE alerts (id int PRIMARY KEY, search text);
