CREATE DOMAIN v4 AS inet CHECK (family(VALUE) = 4);
CREATE TABLE hosts (id int PRIMARY KEY, address inet NOT NULL CHECK (family(address) = 4));
