CREATE INDEX ON orders (user_id);
CREATE INDEX ON orders (status) WHERE status <> 'done';
