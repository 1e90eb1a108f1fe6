ALTER TABLE i ADD COLUMN birthday date;
UPDATE i SET birthday = born::date;
