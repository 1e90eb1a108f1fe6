CREATE TABLE folders (id bigint PRIMARY KEY, parent_id bigint REFERENCES folders, name text NOT NULL);
