CREATE TABLE events_login (LIKE events INCLUDING ALL);
ALTER TABLE events ATTACH PARTITION events_login FOR VALUES IN ('login');
