ALTER TABLE seats ADD owner int;
UPDATE seats SET owner = user_id;
ALTER TABLE seats ADD UNIQUE (owner);
