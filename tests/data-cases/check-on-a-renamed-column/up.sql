ALTER TABLE items RENAME amount TO quantity;
ALTER TABLE items ADD CHECK (quantity > 0);
