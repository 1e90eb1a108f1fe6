ALTER TABLE docs ADD COLUMN extra text;
