INSERT INTO notes VALUES (1, 'acme', 'hello');
