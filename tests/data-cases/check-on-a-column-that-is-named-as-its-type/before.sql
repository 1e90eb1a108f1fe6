CREATE TYPE status AS ENUM ('new', 'old', 'gone');
CREATE TABLE jobs (id int PRIMARY KEY, state status NOT NULL);
