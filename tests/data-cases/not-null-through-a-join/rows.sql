INSERT INTO rooms VALUES (1, '');
INSERT INTO bookings VALUES (1, 1);
