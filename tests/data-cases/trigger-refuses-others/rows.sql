INSERT INTO orders VALUES (1, 'shipped', NULL), (2, 'new', NULL);
