CREATE TYPE state AS ENUM ('new', 'open');
ALTER TABLE orders ALTER COLUMN status DROP DEFAULT, ALTER COLUMN status TYPE state USING status::state;
