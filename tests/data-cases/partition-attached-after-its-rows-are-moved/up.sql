CREATE TABLE events_login (LIKE events INCLUDING ALL);
WITH moved AS (DELETE FROM events_rest WHERE kind = 'login' RETURNING *) INSERT INTO events_login SELECT * FROM moved;
ALTER TABLE events ATTACH PARTITION events_login FOR VALUES IN ('login');
