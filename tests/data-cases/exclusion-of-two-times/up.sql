CREATE EXTENSION IF NOT EXISTS btree_gist;
ALTER TABLE bookings
    ADD CONSTRAINT one_at_a_time EXCLUDE USING gist (room_id WITH =, tstzrange(starts, ends) WITH &&);
