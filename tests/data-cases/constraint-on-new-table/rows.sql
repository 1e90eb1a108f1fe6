INSERT INTO users (email) VALUES ('a'), ('a');
