ALTER TABLE posts ALTER tag TYPE varchar(3)[] USING ARRAY[tag]::varchar(3)[];
