CREATE UNIQUE INDEX users_lower_key ON users (lower(email));
