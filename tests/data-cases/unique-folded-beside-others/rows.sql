INSERT INTO connections VALUES (1, 'Ann', 'x', 1), (2, 'ann', 'x', 1);
