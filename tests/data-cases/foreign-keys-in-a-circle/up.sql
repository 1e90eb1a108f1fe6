UPDATE teams SET owner_id = 2 WHERE owner_id = 3;
ALTER TABLE users ADD born date;
ALTER TABLE notes ALTER text SET NOT NULL;
