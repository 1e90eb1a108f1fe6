ALTER TABLE folders ADD COLUMN depth int;
WITH RECURSIVE walk AS (
    SELECT id, 0 AS depth FROM folders WHERE parent_id IS NULL
    UNION ALL
    SELECT folders.id, walk.depth + 1 FROM folders JOIN walk ON folders.parent_id = walk.id
)
UPDATE folders SET depth = walk.depth FROM walk WHERE walk.id = folders.id;
ALTER TABLE folders ALTER COLUMN depth SET NOT NULL;
