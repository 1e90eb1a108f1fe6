UPDATE feeds SET slug = name WHERE owner <> '-1';
CREATE UNIQUE INDEX feeds_slug ON feeds (slug, owner) WHERE gone_at IS NULL;
