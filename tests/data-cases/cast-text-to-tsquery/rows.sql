INSERT INTO alerts VALUES (1, 'two words');
