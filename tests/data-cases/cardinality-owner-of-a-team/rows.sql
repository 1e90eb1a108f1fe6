INSERT INTO users VALUES (1, 'ann'), (2, 'bob');
INSERT INTO teams VALUES (1, 'one');
INSERT INTO members VALUES (1, 1, 1, 'owner'), (2, 2, 1, 'owner');
