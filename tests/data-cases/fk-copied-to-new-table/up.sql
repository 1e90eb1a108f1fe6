CREATE TABLE authorship (note_id int REFERENCES notes, user_id int NOT NULL REFERENCES users);
INSERT INTO authorship SELECT id, author FROM notes;
