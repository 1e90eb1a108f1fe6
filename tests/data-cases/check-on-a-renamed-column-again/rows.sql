INSERT INTO items (id, amount) VALUES (1, 1), (2, NULL);
