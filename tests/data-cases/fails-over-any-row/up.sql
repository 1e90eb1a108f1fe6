DO $$
DECLARE
    person record;
BEGIN
    FOR person IN SELECT id, name FROM users LOOP
        UPDATE users SET alias = person.nickname WHERE id = person.id;
    END LOOP;
END
$$;
