CREATE SCHEMA app;
SET LOCAL search_path = app;
CREATE TABLE settings (key text PRIMARY KEY);
