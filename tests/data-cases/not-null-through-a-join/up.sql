ALTER TABLE bookings ADD COLUMN room_name text;
UPDATE bookings SET room_name = nullif(rooms.name, '') FROM rooms WHERE rooms.id = bookings.room_id;
ALTER TABLE bookings ALTER COLUMN room_name SET NOT NULL;
