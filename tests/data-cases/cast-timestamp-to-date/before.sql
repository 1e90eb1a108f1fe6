CREATE TABLE visits (id int PRIMARY KEY, at timestamptz NOT NULL);
