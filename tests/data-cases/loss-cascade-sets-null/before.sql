CREATE TABLE teams (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE people (id int PRIMARY KEY, team_id int REFERENCES teams ON DELETE SET NULL);
