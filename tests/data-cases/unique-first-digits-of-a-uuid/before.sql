CREATE TABLE tokens (id uuid PRIMARY KEY, owner_id uuid NOT NULL);
