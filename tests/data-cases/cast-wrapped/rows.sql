INSERT INTO posts VALUES (1, 'sql'), (2, NULL);
INSERT INTO reviews VALUES (1, 3, 'ann', 'text'), (2, NULL, 'bob', NULL);
