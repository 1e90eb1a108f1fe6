UPDATE documents SET title = 'untitled' WHERE title IS NULL;
