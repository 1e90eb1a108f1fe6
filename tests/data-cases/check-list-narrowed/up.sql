ALTER TABLE orders DROP CONSTRAINT s;
ALTER TABLE orders ADD CONSTRAINT s CHECK (status IN ('new', 'open'));
