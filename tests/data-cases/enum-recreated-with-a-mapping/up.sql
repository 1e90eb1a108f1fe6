ALTER TYPE state RENAME TO state_old;
CREATE TYPE state AS ENUM ('new', 'open');
ALTER TABLE orders ALTER COLUMN state TYPE state USING (CASE state::text WHEN 'void' THEN 'open' ELSE state::text END)::state;
DROP TYPE state_old;
