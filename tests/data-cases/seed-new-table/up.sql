CREATE TABLE jobs (name text PRIMARY KEY);
INSERT INTO jobs VALUES ('backup');
