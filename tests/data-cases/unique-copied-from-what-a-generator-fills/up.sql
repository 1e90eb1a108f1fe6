ALTER TABLE docs ADD slug text;
UPDATE docs SET slug = token::text;
ALTER TABLE docs ADD UNIQUE (slug);
