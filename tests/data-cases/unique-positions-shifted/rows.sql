INSERT INTO cards VALUES (1, 1), (2, 2);
