ALTER TABLE teams ADD COLUMN owner_id bigint;
UPDATE teams SET owner_id = (SELECT user_id FROM members WHERE members.team_id = teams.id AND role = 'owner');
