INSERT INTO plugins (name) VALUES ('Cosign, select to use');
INSERT INTO stages (plugin_id, kind) VALUES ((SELECT id FROM plugins WHERE name = 'Cosign, select to use'), 'build');
