ALTER TABLE t ADD COLUMN kept numeric;
UPDATE t SET kept = share;
