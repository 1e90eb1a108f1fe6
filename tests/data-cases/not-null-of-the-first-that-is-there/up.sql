ALTER TABLE seats ADD owner int;
UPDATE seats SET owner = coalesce(user_id, guest_id);
ALTER TABLE seats ALTER owner SET NOT NULL;
