CREATE FUNCTION positive() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.amount <= 0 THEN
        RAISE EXCEPTION 'amount must be positive';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER positive BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION positive();
UPDATE orders SET state = 'paid' WHERE state = 'done';
