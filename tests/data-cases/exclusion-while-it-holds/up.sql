ALTER TABLE bookings ADD CONSTRAINT apart EXCLUDE USING gist (during WITH &&) WHERE (NOT cancelled);
