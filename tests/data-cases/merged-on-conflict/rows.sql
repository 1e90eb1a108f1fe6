INSERT INTO cats VALUES (1, 'tom');
INSERT INTO dogs VALUES (1, 'rex');
