ALTER TABLE posts ALTER tags TYPE text USING tags[1];
