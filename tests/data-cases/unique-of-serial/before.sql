CREATE TABLE b (id serial, note text);
