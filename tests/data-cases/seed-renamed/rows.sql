INSERT INTO kinds VALUES ('stream', 'b');
