DELETE FROM teams;
-- people stay
