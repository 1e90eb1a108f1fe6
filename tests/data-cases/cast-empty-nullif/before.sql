CREATE TABLE i (id int PRIMARY KEY, q text CONSTRAINT q CHECK (q ~ '^[0-9]*$' AND length(q) < 6));
