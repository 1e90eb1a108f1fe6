INSERT INTO users (id, email) VALUES (1, 'a');
INSERT INTO orders VALUES (1, 1);
