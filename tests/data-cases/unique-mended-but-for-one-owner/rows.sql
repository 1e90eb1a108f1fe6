INSERT INTO feeds (owner) VALUES ('system'), ('system');
