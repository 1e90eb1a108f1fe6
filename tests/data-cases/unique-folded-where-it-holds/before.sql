CREATE TABLE tokens (id bigint PRIMARY KEY, title text NOT NULL, deleted_at timestamptz);
CREATE UNIQUE INDEX tokens_title ON tokens (title) WHERE deleted_at IS NULL;
