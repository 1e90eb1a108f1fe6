INSERT INTO users VALUES (1);
INSERT INTO seats (id, user_id) VALUES (1, 1), (2, 1);
