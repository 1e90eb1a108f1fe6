INSERT INTO teams (id, name) VALUES (1, 'a');
INSERT INTO people (id, email) VALUES (1, 'a'), (2, 'b');
INSERT INTO members VALUES (1, 1, 'owner'), (1, 2, 'owner');
