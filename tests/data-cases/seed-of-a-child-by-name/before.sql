CREATE TABLE packages (id int PRIMARY KEY, alias text, kind text NOT NULL UNIQUE CHECK (kind IN ('client')));
INSERT INTO packages VALUES (1, 'shop@client', 'client');
CREATE TABLE releases (package_id int NOT NULL REFERENCES packages, version text NOT NULL);
