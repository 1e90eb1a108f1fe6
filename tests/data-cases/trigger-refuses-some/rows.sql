INSERT INTO orders VALUES (1, 'shipped', NULL);
