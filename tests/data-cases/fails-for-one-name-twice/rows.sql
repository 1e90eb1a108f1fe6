INSERT INTO tenants VALUES (1, 'one'), (2, 'one');
