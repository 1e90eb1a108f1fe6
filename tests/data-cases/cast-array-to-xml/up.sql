ALTER TABLE notes ALTER COLUMN parts TYPE xml[] USING parts::xml[];
