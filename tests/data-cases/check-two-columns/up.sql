ALTER TABLE spans ADD CHECK (first <= last);
