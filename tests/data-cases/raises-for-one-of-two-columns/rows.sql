INSERT INTO orders VALUES (1, 'done', 0);
