ALTER TABLE readings ALTER COLUMN level TYPE numeric(8, 1), ALTER COLUMN depth TYPE numeric(8, 1);
