CREATE FUNCTION migrate() RETURNS void AS $$
BEGIN
  ALTER TABLE stages ADD COLUMN note text;
  UPDATE stages SET reached = reached + 1;
END
$$ LANGUAGE plpgsql;

SELECT migrate();

DROP FUNCTION migrate();
