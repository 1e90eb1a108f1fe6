CREATE TABLE pages (id int PRIMARY KEY, title text NOT NULL, slug text NOT NULL);
CREATE FUNCTION sluggify() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.slug := 'page-' || NEW.id; RETURN NEW; END $$;
CREATE TRIGGER sluggify BEFORE UPDATE ON pages FOR EACH ROW EXECUTE FUNCTION sluggify();
