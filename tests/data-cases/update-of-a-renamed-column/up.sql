ALTER TABLE hooks RENAME COLUMN skip TO runs;
UPDATE hooks SET runs = NOT runs;
