INSERT INTO files VALUES (1, '{"size": "unknown"}');
