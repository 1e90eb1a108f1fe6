INSERT INTO tokens VALUES (1, 'Ann', NULL), (2, 'ann', NULL);
