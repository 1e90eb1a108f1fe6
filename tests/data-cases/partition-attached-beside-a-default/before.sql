CREATE TABLE events (id int NOT NULL, kind text) PARTITION BY LIST (kind);
CREATE TABLE events_rest PARTITION OF events DEFAULT;
