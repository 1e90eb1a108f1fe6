ALTER TABLE stays ADD active boolean NOT NULL DEFAULT true,
    ADD EXCLUDE USING gist (place WITH &&, during WITH &&) WHERE (active);
