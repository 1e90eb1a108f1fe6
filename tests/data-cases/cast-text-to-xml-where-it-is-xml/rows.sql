INSERT INTO notes VALUES (1, 'R&D'), (2, '<p/>');
