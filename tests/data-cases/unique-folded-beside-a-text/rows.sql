INSERT INTO sources (tenant, name) VALUES ('acme', 'Orders'), ('acme', 'orders');
