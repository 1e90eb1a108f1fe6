INSERT INTO hooks VALUES (1, true), (2, false);
