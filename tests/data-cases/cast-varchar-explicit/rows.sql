INSERT INTO users (email, name) VALUES ('a', 'a name that is too long');
