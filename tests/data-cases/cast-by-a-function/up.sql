CREATE TYPE follow_state AS ENUM ('accepted', 'pending');
ALTER TABLE follows ALTER COLUMN pending DROP DEFAULT;
CREATE FUNCTION as_state(waits boolean) RETURNS follow_state LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN waits THEN 'pending'::follow_state ELSE 'accepted'::follow_state END
$$;
ALTER TABLE follows ALTER COLUMN pending TYPE follow_state
  USING as_state (pending);
DROP FUNCTION as_state;
