CREATE TABLE documents (id bigint PRIMARY KEY, title text, locked boolean NOT NULL DEFAULT false);
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.locked THEN
        RAISE EXCEPTION 'locked documents stay as they are';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER keep BEFORE UPDATE ON documents FOR EACH ROW EXECUTE FUNCTION keep();
