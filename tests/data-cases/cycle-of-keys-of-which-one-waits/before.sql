CREATE TABLE teams (id int PRIMARY KEY, lead_id int NOT NULL, motto text);
CREATE TABLE people (id int PRIMARY KEY, team_id int NOT NULL REFERENCES teams);
ALTER TABLE teams ADD FOREIGN KEY (lead_id) REFERENCES people (id) DEFERRABLE;
