CREATE TABLE roles (id bigint PRIMARY KEY, name text NOT NULL);
CREATE TABLE grants (id bigint PRIMARY KEY, role_id bigint NOT NULL REFERENCES roles);
