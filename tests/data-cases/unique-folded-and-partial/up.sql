DROP INDEX tokens_title;
CREATE UNIQUE INDEX tokens_title ON tokens (owner, lower(title)) WHERE deleted_at IS NULL;
