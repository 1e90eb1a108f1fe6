INSERT INTO posts VALUES (1, 'long one');
