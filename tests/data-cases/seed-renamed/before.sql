CREATE TABLE kinds (name text PRIMARY KEY, note text);
INSERT INTO kinds VALUES ('topic', 'a');
