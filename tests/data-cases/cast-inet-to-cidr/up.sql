ALTER TABLE hosts ALTER COLUMN address TYPE cidr USING address::cidr;
