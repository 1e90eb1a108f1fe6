INSERT INTO pages VALUES (1, 'Hello');
