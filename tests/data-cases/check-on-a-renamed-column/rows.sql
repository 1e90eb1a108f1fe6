INSERT INTO items (id, amount) VALUES (1, 0);
