ALTER TABLE orders ADD total numeric;
