INSERT INTO plugins (name, deleted) SELECT 'cosign', false
    WHERE NOT EXISTS (SELECT FROM plugins WHERE name = 'cosign' AND NOT deleted);
