INSERT INTO alerts VALUES (1, 'two words'), (2, 'Tom & Jerry''s <3');
