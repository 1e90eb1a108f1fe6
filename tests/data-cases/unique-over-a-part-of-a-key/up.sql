CREATE MATERIALIZED VIEW first_teams AS SELECT user_id, since FROM members;
CREATE UNIQUE INDEX first_teams_user_id ON first_teams (user_id);
