INSERT INTO users (email, name) VALUES ('a', 'ann');
