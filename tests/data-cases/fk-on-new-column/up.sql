ALTER TABLE orders ADD COLUMN payer_id bigint REFERENCES users (id);
