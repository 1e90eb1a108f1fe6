ALTER TABLE config ALTER retries TYPE integer USING retries::integer;
