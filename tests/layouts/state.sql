-- What a runner leaves in a database. `:book` is its table; the times that it writes are left out.
SELECT 'column: ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
    || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = :'book'::regclass AND a.attnum > 0 ORDER BY a.attnum;
SELECT 'key: ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = :'book'::regclass AND contype = 'p';
SELECT 'row: ' || (to_jsonb(b) - '{installed_on,execution_time,run_on,applied_on,applied_at}'::text[])::text
FROM :book b ORDER BY b.xmin::text::bigint;
SELECT 'has: ' || n.nspname || '.' || c.relname || CASE WHEN i.indisvalid IS FALSE THEN ' INVALID' ELSE '' END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_index i ON i.indexrelid = c.oid
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND (c.relkind = 'r' OR i.indexrelid IS NOT NULL)
ORDER BY 1;
