UPDATE bookings b SET cancelled = true WHERE EXISTS (SELECT FROM bookings a WHERE a.id < b.id AND a.during && b.during);
ALTER TABLE bookings ADD CONSTRAINT apart EXCLUDE USING gist (during WITH &&) WHERE (NOT cancelled);
