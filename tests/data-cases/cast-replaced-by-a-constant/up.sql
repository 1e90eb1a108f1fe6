ALTER TABLE schemas ALTER version TYPE integer USING 0;
DROP TYPE storage;
