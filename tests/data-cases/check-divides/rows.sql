INSERT INTO grants (amount, seats) VALUES (5, 0);
