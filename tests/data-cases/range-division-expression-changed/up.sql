ALTER TABLE t ALTER COLUMN share SET EXPRESSION AS (part::numeric / whole);
