ALTER TABLE users ADD card_id int;
UPDATE users SET card_id = (SELECT id FROM cards WHERE cards.owner = users.id);
