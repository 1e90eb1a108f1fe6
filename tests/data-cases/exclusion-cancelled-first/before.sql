CREATE TABLE bookings (id bigint PRIMARY KEY, during daterange NOT NULL, cancelled boolean NOT NULL DEFAULT false);
