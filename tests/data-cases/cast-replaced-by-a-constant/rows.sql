INSERT INTO schemas VALUES (1, 'relational');
