ALTER TABLE users ADD CONSTRAINT users_named NOT NULL name;
