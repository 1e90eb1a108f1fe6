CREATE TABLE posts (id int PRIMARY KEY, status text NOT NULL CHECK (status IN ('new', 'old')));
