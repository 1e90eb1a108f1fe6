CREATE TABLE teams (id int PRIMARY KEY, owner_id int NOT NULL);
CREATE TABLE users (id int PRIMARY KEY, team_id int NOT NULL REFERENCES teams DEFERRABLE);
ALTER TABLE teams ADD FOREIGN KEY (owner_id) REFERENCES users DEFERRABLE;
CREATE TABLE notes (id int PRIMARY KEY, text text);
