UPDATE users SET age = NULL WHERE age < 18;
ALTER TABLE users ADD CHECK (age >= 18);
