CREATE TYPE plan AS ENUM ('free', 'pro', 'trial');
CREATE TABLE accounts (id bigint PRIMARY KEY, plan plan NOT NULL DEFAULT 'free');
