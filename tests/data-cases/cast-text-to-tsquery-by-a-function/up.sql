ALTER TABLE alerts ADD COLUMN query tsquery;
UPDATE alerts SET query = websearch_to_tsquery('simple', search);
