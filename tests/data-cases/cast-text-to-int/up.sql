ALTER TABLE i ALTER COLUMN q TYPE integer USING q::integer;
