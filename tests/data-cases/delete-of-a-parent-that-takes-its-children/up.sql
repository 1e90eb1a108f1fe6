DELETE FROM roles WHERE name = 'guest';
