DELETE FROM votes a USING votes b WHERE a.id > b.id AND a.poll = b.poll AND a.person = b.person;
ALTER TABLE votes ADD UNIQUE (poll, person);
