CREATE TABLE jobs (name text PRIMARY KEY, cron text);
