ALTER TYPE state RENAME TO state_old;
CREATE TYPE state AS ENUM ('new', 'open');
ALTER TABLE o ALTER COLUMN s TYPE state USING s::text::state;
DROP TYPE state_old;
