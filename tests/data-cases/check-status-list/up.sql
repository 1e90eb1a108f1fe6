ALTER TABLE orders ADD CHECK (status IN ('new', 'open', 'done'));
