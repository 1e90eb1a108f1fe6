CREATE TABLE t (id int PRIMARY KEY, part int NOT NULL, whole int NOT NULL,
    share numeric GENERATED ALWAYS AS (part::numeric / whole) VIRTUAL);
