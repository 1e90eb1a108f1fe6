INSERT INTO items (id, label, rank) VALUES (1, 6, 0);
