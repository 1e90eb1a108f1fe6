INSERT INTO roles VALUES (1, 'guest'), (2, 'admin');
INSERT INTO grants VALUES (1, 1), (2, 2);
