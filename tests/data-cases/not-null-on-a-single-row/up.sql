ALTER TABLE settings ADD COLUMN name text NOT NULL;
