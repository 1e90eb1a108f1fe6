CREATE TABLE connections (id bigint PRIMARY KEY, provider text NOT NULL, account text NOT NULL, kind integer NOT NULL,
    UNIQUE (provider, account, kind));
