CREATE TABLE accounts (id bigint PRIMARY KEY);
SET search_path = '';
