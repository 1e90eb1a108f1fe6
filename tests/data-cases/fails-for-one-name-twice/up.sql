DO $$
DECLARE
    tenant record;
BEGIN
    FOR tenant IN SELECT name FROM tenants LOOP
        EXECUTE format('CREATE TABLE %I (id bigint)', 'notes_' || tenant.name);
    END LOOP;
END
$$;
