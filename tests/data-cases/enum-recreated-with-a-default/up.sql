ALTER TYPE plan RENAME TO plan_old;
CREATE TYPE plan AS ENUM ('free', 'pro');
ALTER TABLE accounts ALTER COLUMN plan DROP DEFAULT;
ALTER TABLE accounts ALTER COLUMN plan TYPE plan USING plan::text::plan;
ALTER TABLE accounts ALTER COLUMN plan SET DEFAULT 'free';
DROP TYPE plan_old;
