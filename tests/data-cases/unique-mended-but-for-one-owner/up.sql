UPDATE feeds SET slug = slug || '_' || id WHERE owner <> 'system';
CREATE UNIQUE INDEX feeds_slug_key ON feeds (owner, slug);
