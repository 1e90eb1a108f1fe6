CREATE EXTENSION btree_gist;
CREATE TABLE stays (room int NOT NULL, at daterange NOT NULL, guest text);
