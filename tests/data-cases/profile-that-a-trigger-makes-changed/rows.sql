INSERT INTO users VALUES (1);
UPDATE profiles SET bio = NULL;
