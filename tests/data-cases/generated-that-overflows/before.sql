CREATE TABLE boxes (id bigint PRIMARY KEY, width int, height int);
