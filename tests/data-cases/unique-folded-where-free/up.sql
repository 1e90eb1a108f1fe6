UPDATE people p SET email = lower(email) WHERE NOT EXISTS (SELECT FROM people o WHERE o.id <> p.id AND lower(o.email) = lower(p.email));
