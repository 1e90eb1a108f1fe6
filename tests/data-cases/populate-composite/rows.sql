INSERT INTO packages (name, version) VALUES ('shop', '(1,2,beta)');
