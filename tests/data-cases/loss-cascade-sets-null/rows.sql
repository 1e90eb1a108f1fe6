INSERT INTO teams VALUES (1, 'red');
INSERT INTO people VALUES (1, 1);
