ALTER TABLE j ADD CHECK (jsonb_typeof(doc) = 'object');
