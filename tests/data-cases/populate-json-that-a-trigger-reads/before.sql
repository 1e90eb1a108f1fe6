CREATE TABLE users (id uuid PRIMARY KEY, meta jsonb);
CREATE TABLE profiles (
    user_id uuid PRIMARY KEY REFERENCES users,
    handle text NOT NULL CHECK (handle ~ '^[a-z0-9_]{3,15}$'),
    age int NOT NULL
);
CREATE FUNCTION make_profile() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO profiles VALUES (NEW.id, NEW.meta ->> 'handle', (NEW.meta ->> 'age')::int);
    RETURN NEW;
END $$;
CREATE TRIGGER make_profile AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION make_profile();
