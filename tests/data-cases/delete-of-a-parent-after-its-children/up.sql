DELETE FROM grants WHERE role_id IN (SELECT id FROM roles WHERE name = 'guest');
DELETE FROM roles WHERE name = 'guest';
