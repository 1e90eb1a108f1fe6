INSERT INTO tokens VALUES (1, 1, 'Ann', NULL), (2, 1, 'ann', NULL);
