INSERT INTO documents VALUES (1, NULL, true);
