INSERT INTO readings VALUES (1, 0.5);
