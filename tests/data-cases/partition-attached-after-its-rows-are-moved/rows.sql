INSERT INTO events VALUES (1, 'login'), (2, 'logout');
