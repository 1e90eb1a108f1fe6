INSERT INTO plugins (name) VALUES ('Cosign, select to use');
