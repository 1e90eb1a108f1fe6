CREATE TABLE seats (id int PRIMARY KEY, user_id int, guest_id int, UNIQUE (user_id, guest_id));
