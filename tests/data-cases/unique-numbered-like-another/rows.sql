INSERT INTO organizations VALUES (1, 'ann'), (2, 'ann'), (3, 'ann-1');
