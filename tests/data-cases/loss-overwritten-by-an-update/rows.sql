INSERT INTO users VALUES (1, 'de'), (2, 'fr');
