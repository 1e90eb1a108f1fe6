-- Add up migration script here
ALTER TABLE orders ADD total numeric;
UPDATE orders SET total = 0;
