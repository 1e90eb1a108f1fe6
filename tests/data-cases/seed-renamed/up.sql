UPDATE kinds SET name = 'stream' WHERE name = 'topic';
