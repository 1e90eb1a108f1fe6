INSERT INTO people VALUES (1, 'Ann@example.org'), (2, 'ann@example.org');
