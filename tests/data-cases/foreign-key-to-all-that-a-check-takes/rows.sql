INSERT INTO posts VALUES (1, 'new'), (2, 'old');
