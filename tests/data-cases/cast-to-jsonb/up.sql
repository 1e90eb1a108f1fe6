ALTER TABLE k ALTER COLUMN doc TYPE jsonb USING doc::jsonb;
