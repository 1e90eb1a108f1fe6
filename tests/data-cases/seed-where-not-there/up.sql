INSERT INTO roles SELECT coalesce(max(id), 0) + 1, 'admin' FROM roles HAVING NOT EXISTS (SELECT FROM roles WHERE name = 'admin');
