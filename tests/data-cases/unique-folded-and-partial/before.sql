CREATE TABLE tokens (id bigint PRIMARY KEY, owner bigint NOT NULL, title text NOT NULL, deleted_at timestamptz);
CREATE UNIQUE INDEX tokens_title ON tokens (owner, title) WHERE deleted_at IS NULL;
