ALTER TYPE state RENAME TO state_old;
CREATE TYPE state AS ENUM ('new', 'open', 'done');
ALTER TABLE orders ALTER COLUMN state TYPE state USING state::text::state;
DROP TYPE state_old;
