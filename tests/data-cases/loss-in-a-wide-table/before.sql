-- More columns than one list of what a query gives has room for, three times each.
DO $$ BEGIN
    EXECUTE 'CREATE TABLE readings (id int PRIMARY KEY, level numeric(8, 3) NOT NULL, '
        || (SELECT string_agg('c' || n || ' int', ', ') FROM generate_series(1, 600) n) || ', depth numeric(8, 3))';
END $$;
