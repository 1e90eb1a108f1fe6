INSERT INTO follows VALUES (1, true), (2, false);
