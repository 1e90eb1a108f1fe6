INSERT INTO plans (name) SELECT 'free' WHERE NOT EXISTS (SELECT FROM plans WHERE name = 'free');
