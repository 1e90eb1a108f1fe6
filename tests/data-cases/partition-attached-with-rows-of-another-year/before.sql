CREATE TABLE events (id bigint NOT NULL, at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE old_events (id bigint NOT NULL, at date NOT NULL);
