CREATE TABLE statuses (name text PRIMARY KEY);
INSERT INTO statuses VALUES ('new'), ('old');
CREATE TABLE posts (id int PRIMARY KEY, title text,
    status text NOT NULL REFERENCES statuses CHECK (status IN ('new', 'old', 'gone')));
