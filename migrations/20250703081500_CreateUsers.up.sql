-- Accounts of the web application. Telegram's own users are in telegram_users.
CREATE TABLE users (
    id text CONSTRAINT pk_users PRIMARY KEY,
    email text NOT NULL,
    status integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_login_at timestamptz,
    CONSTRAINT ck_users_id_not_empty CHECK (id <> '')
);

-- Nobody signs up twice by changing the case of a letter.
CREATE UNIQUE INDEX ux_users_email ON users (lower(email));
