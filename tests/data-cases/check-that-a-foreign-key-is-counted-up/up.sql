ALTER TABLE posts ADD CHECK (user_id > 0);
