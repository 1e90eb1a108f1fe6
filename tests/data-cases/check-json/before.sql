CREATE TABLE j (id int PRIMARY KEY, doc jsonb NOT NULL);
