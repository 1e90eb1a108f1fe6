ALTER TABLE b ADD EXCLUDE USING gist (daterange(f, t) WITH &&);
