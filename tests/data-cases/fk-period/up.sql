ALTER TABLE offers ADD CONSTRAINT offers_priced FOREIGN KEY (product, PERIOD valid) REFERENCES prices (product, PERIOD valid);
