ALTER TABLE breaks ADD CHECK (lasts > '0');
