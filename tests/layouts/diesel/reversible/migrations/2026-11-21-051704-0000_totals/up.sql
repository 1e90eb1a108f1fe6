-- Your SQL goes here
ALTER TABLE accounts ADD total numeric;
UPDATE accounts SET total = 0;
