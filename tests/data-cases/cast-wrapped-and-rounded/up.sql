ALTER TABLE posts ALTER score TYPE integer[] USING ARRAY[score::integer];
