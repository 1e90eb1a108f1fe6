INSERT INTO hosts VALUES (1, '::1');
