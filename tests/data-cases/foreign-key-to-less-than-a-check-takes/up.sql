CREATE TABLE statuses (name text PRIMARY KEY);
INSERT INTO statuses VALUES ('new'), ('old');
ALTER TABLE posts ADD FOREIGN KEY (status) REFERENCES statuses;
