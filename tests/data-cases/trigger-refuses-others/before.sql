CREATE TABLE orders (id bigint PRIMARY KEY, status text NOT NULL, note text);
CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF OLD.status = 'shipped' THEN RAISE EXCEPTION 'shipped orders are final'; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION guard();
