INSERT INTO files VALUES (1, '{"size": "unknown"}'), (2, '{}'), (3, '{"size": 5}');
