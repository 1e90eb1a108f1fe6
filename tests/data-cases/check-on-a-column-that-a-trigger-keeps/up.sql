ALTER TABLE posts ADD CHECK (status IN ('new', 'done'));
