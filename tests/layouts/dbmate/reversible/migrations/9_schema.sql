-- migrate:up
CREATE SCHEMA app;
CREATE TABLE app.settings (name text PRIMARY KEY);

-- migrate:down
DROP SCHEMA app CASCADE;
