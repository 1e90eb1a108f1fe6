CREATE TYPE role AS ENUM ('viewer', 'editor', 'owner');
CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL);
CREATE TABLE teams (id bigint PRIMARY KEY, name text NOT NULL);
CREATE TABLE members (
    id bigint PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users,
    team_id bigint NOT NULL REFERENCES teams,
    role role NOT NULL,
    UNIQUE (user_id, team_id)
);
