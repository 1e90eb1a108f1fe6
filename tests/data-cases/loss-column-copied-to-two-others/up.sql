ALTER TABLE users ADD COLUMN short text, ADD COLUMN long text;
UPDATE users SET short = name WHERE length(name) = 3;
UPDATE users SET long = name WHERE short IS NULL;
ALTER TABLE users DROP COLUMN name;
