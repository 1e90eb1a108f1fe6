CREATE TABLE events (id bigint NOT NULL, at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE old_events (id bigint PRIMARY KEY, at date NOT NULL CHECK (at >= '2020-01-01' AND at < '2023-01-01'));
