INSERT INTO stays VALUES (1, '[1,5)', false), (2, '[3,8)', false);
