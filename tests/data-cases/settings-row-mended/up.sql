UPDATE settings SET title = '' WHERE title IS NULL;
ALTER TABLE settings ALTER COLUMN title SET NOT NULL;
