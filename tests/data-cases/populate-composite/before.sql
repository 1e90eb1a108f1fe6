CREATE TYPE parts AS (major int, minor int, label text);
CREATE DOMAIN version AS parts CHECK ((VALUE).major IS NOT NULL AND (VALUE).minor > 0);
CREATE TABLE packages (name text PRIMARY KEY, version version NOT NULL, note text);
