CREATE TABLE hosts (id bigint PRIMARY KEY, address inet);
