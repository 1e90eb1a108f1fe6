INSERT INTO docs (id) VALUES (1), (2);
