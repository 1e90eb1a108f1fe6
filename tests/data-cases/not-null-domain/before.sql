CREATE DOMAIN label AS text;
CREATE TABLE tags (id int PRIMARY KEY, label label);
