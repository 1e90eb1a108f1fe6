-- +migrate Up
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RETURN NEW;
END;
$$;

-- +migrate Down
DROP FUNCTION touch;
