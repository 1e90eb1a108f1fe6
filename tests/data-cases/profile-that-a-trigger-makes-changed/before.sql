CREATE TABLE users (id integer PRIMARY KEY);
CREATE TABLE profiles (user_id integer PRIMARY KEY REFERENCES users, bio text);
CREATE FUNCTION make_profile() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO profiles VALUES (NEW.id, ''); RETURN NEW; END $$;
CREATE TRIGGER make AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION make_profile();
