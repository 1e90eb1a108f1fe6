WITH numbered AS (SELECT id, row_number() OVER (PARTITION BY name ORDER BY id) AS n FROM organizations)
UPDATE organizations AS o SET name = concat(o.name, '-', numbered.n, '#', o.id)
FROM numbered WHERE o.id = numbered.id;
CREATE UNIQUE INDEX organizations_name ON organizations (name);
