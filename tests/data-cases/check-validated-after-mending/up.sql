UPDATE goods SET price = 1 WHERE price <= 0;
ALTER TABLE goods VALIDATE CONSTRAINT paid;
