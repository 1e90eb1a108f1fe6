ALTER TABLE spans ADD CHECK (hi > 5);
