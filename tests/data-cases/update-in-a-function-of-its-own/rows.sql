INSERT INTO stages VALUES (1, 1), (2, 1);
