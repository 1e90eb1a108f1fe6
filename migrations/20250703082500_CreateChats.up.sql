-- Chats the bot has been in, under the number that Telegram gave them (negative for groups).
CREATE TABLE chats (
    id bigint CONSTRAINT pk_chats PRIMARY KEY,
    title text,
    chat_type integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now()
);
