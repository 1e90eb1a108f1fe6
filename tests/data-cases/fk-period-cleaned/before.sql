CREATE EXTENSION btree_gist;
CREATE TABLE prices (product int, valid daterange, price int NOT NULL, PRIMARY KEY (product, valid WITHOUT OVERLAPS));
CREATE TABLE offers (id int PRIMARY KEY, product int, valid daterange);
