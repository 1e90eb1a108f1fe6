INSERT INTO releases VALUES ((SELECT id FROM packages WHERE alias = 'shop@client'), '1.0.0');
