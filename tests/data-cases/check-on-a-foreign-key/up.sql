ALTER TABLE members ADD CHECK (role_id <> 3);
