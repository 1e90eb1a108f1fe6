ALTER TABLE grants ADD CONSTRAINT grants_share CHECK (amount / seats <= 100);
