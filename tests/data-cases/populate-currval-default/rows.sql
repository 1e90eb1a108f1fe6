INSERT INTO chains (name) VALUES ('main');
INSERT INTO blocks SELECT 1, id, NULL FROM chains;
