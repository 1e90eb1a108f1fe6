ALTER TABLE alerts ADD COLUMN query tsquery;
UPDATE alerts SET query = search::tsquery;
