CREATE TYPE storage AS ENUM ('split', 'relational');
CREATE TABLE schemas (id int PRIMARY KEY, version storage NOT NULL);
