CREATE TABLE posts (id int PRIMARY KEY, title text NOT NULL, status text NOT NULL);
CREATE FUNCTION begin_as_new() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.status := 'new'; RETURN NEW; END $$;
CREATE TRIGGER begin_as_new BEFORE INSERT ON posts FOR EACH ROW EXECUTE FUNCTION begin_as_new();
