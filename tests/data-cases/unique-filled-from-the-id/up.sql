UPDATE users SET number = id WHERE number IS NULL;
ALTER TABLE users ALTER number SET NOT NULL;
