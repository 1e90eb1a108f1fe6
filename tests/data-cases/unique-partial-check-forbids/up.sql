CREATE UNIQUE INDEX one_open ON orders (user_id) WHERE status = 'open';
