-- +migrate Up
CREATE TABLE accounts (id bigint PRIMARY KEY);
-- +migrate StatementBegin
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.id := NEW.id;
    RETURN NEW;
END;
$$;
-- +migrate StatementEnd
CREATE TRIGGER touched BEFORE UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION touch();

-- +migrate Down
DROP TABLE accounts;
DROP FUNCTION touch;
