ALTER TABLE t ADD COLUMN share numeric;
UPDATE t SET share = part::numeric / whole;
