ALTER TABLE orders ADD UNIQUE (id, status);
