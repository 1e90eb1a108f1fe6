INSERT INTO posts VALUES (1, 'english', 'text', 'pg_typeof', 'pg_typeof("any")', 'public', 'pg_monitor', '"C"');
