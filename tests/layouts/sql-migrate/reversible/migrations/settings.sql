-- +migrate Up
CREATE SCHEMA app;
CREATE TABLE app.settings (name text PRIMARY KEY);

-- +migrate Down
DROP SCHEMA app CASCADE;
