SET LOCAL lock_timeout = '5s';

DROP INDEX ix_messages_chat_id_sent_at;
