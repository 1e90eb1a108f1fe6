INSERT INTO sources (id, url) VALUES (1, 'a'), (2, 'b');
INSERT INTO feeds (owner, name, source) VALUES ('-1', 'a', 1), ('-1', 'b', 2);
