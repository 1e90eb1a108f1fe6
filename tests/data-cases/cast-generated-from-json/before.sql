CREATE TABLE s (id int PRIMARY KEY, meta text NOT NULL, size bigint GENERATED ALWAYS AS ((meta::json ->> 'size')::bigint) STORED, note text);
