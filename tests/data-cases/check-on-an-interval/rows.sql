INSERT INTO breaks VALUES (1, '-1 hour');
