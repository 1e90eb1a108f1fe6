ALTER TABLE users ADD COLUMN slug text;
UPDATE users SET slug = lower(name) || '-' || id;
CREATE UNIQUE INDEX users_slug ON users (slug);
