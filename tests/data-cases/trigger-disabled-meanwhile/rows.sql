INSERT INTO docs VALUES (1, 'new', NULL);
