CREATE TABLE apps (id text PRIMARY KEY, name text NOT NULL);
CREATE FUNCTION name_app() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.id := 'app_' || md5(random()::text);
    RETURN NEW;
END $$;
CREATE TRIGGER name_app BEFORE INSERT ON apps FOR EACH ROW EXECUTE FUNCTION name_app();
CREATE TABLE actions (id int PRIMARY KEY, app_id text NOT NULL REFERENCES apps, note text);
