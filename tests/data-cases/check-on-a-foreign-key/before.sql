CREATE TABLE roles (id int PRIMARY KEY);
CREATE TABLE members (id int PRIMARY KEY, role_id int NOT NULL REFERENCES roles);
INSERT INTO roles VALUES (1), (2);
