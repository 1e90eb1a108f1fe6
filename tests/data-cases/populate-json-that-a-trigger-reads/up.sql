ALTER TABLE profiles ADD COLUMN city text NOT NULL;
