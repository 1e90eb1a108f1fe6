ALTER TABLE notes ADD COLUMN kind text;
UPDATE notes SET kind = 'plain';
ALTER TABLE notes ALTER COLUMN kind SET NOT NULL;
