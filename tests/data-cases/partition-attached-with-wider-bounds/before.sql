CREATE TABLE events (id int NOT NULL, kind text) PARTITION BY LIST (kind);
CREATE TABLE events_session PARTITION OF events FOR VALUES IN ('login');
