ALTER TABLE users ALTER COLUMN name TYPE varchar(10) USING name::varchar(10);
