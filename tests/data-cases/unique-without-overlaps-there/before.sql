CREATE EXTENSION btree_gist;
CREATE TABLE stays (room int, at daterange, guest text NOT NULL, PRIMARY KEY (room, at WITHOUT OVERLAPS));
