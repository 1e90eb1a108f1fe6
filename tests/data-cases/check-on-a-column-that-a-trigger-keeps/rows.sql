INSERT INTO posts VALUES (1, 'a', 'new');
UPDATE posts SET status = 'draft';
