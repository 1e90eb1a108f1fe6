CREATE TABLE members (team int NOT NULL, person int NOT NULL);
