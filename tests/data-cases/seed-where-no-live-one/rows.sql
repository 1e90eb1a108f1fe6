INSERT INTO plugins (name, deleted) VALUES ('cosign', true);
