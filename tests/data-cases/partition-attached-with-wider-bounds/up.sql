ALTER TABLE events DETACH PARTITION events_session;
ALTER TABLE events ATTACH PARTITION events_session FOR VALUES IN ('login', 'logout');
