-- People seen in the chats, under the number that Telegram gave them; some of them also have an account.
CREATE TABLE telegram_users (
    telegram_user_id bigint CONSTRAINT pk_telegram_users PRIMARY KEY,
    user_id text CONSTRAINT fk_telegram_users_users_user_id REFERENCES users (id) ON DELETE SET NULL,
    username text,
    first_name text,
    last_name text,
    photo_path text,
    is_trusted boolean NOT NULL DEFAULT false,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now()
);

-- An account belongs to one Telegram user at most.
CREATE UNIQUE INDEX ux_telegram_users_user_id ON telegram_users (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX ix_telegram_users_username ON telegram_users (username);
