ALTER TABLE users ADD COLUMN initials varchar(2);
UPDATE users SET initials = left(name, 1) || left(split_part(name, ' ', 2), 2);
