INSERT INTO posts VALUES (1, NULL, 'new');
