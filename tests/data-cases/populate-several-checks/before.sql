CREATE TABLE c (id int PRIMARY KEY, lo int NOT NULL, hi int NOT NULL, kind text NOT NULL CHECK (kind IN ('x', 'y')), note text, CHECK (lo < hi), CHECK (kind <> 'x' OR hi > 50), CHECK (lo >= 7));
