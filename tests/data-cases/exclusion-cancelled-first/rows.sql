INSERT INTO bookings VALUES (1, '[2024-01-01,2024-01-05)', false), (2, '[2024-01-03,2024-01-08)', false);
