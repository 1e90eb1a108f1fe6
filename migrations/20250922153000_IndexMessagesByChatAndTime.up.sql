-- The moderation page reads a chat's messages newest first, without those that are gone.
SET LOCAL lock_timeout = '5s';

CREATE INDEX ix_messages_chat_id_sent_at ON messages (chat_id, sent_at DESC) WHERE deleted_at IS NULL;
