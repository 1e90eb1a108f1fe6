ALTER TABLE notes ALTER COLUMN body TYPE xml USING body::xml;
