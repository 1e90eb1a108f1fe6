INSERT INTO roles VALUES (5, 'admin');
