DELETE FROM users a USING users b WHERE a.email = b.email AND a.id > b.id;
CREATE UNIQUE INDEX users_email_key ON users (email);
