ALTER TABLE posts ALTER tag TYPE text[] USING ARRAY[tag];
ALTER TABLE reviews ALTER COLUMN score TYPE integer[] USING ARRAY[score];
ALTER TABLE reviews ALTER COLUMN author TYPE jsonb USING to_jsonb(author);
ALTER TABLE reviews ALTER COLUMN body TYPE bytea USING convert_to(body, 'UTF8');
