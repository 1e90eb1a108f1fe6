INSERT INTO files VALUES (1, E'C:\\x');
