CREATE TYPE follow_state AS ENUM ('accepted', 'pending');
ALTER TABLE follows ALTER COLUMN pending DROP DEFAULT;
ALTER TABLE follows ALTER COLUMN pending TYPE follow_state USING (CASE WHEN pending THEN 'pending' ELSE 'accepted' END)::follow_state;
ALTER TABLE follows RENAME COLUMN pending TO state;
