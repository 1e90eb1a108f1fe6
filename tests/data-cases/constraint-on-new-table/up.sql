CREATE TABLE teams (id bigint PRIMARY KEY, owner bigint NOT NULL);
ALTER TABLE teams ADD FOREIGN KEY (owner) REFERENCES users;
ALTER TABLE teams ADD UNIQUE (owner);
CREATE INDEX ON teams (owner);
