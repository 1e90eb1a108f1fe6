ALTER TABLE users ADD COLUMN slug text;
UPDATE users SET slug = lower(name);
CREATE UNIQUE INDEX users_slug ON users (slug);
