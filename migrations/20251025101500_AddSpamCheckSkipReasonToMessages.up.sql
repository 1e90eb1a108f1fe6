-- Why a message was not checked for spam: 0 it was (or nobody knows), 1 its sender is trusted, 2 its sender is an
-- administrator of the chat.
SET LOCAL lock_timeout = '5s';

ALTER TABLE messages
    ADD COLUMN spam_check_skip_reason integer NOT NULL DEFAULT 0,
    ADD CONSTRAINT ck_messages_spam_check_skip_reason CHECK (spam_check_skip_reason IN (0, 1, 2));

-- What has a result was checked, whoever wrote it. Of the rest, an administrator comes before a trusted user.
UPDATE messages
SET spam_check_skip_reason = CASE WHEN sender.is_admin THEN 2 ELSE 1 END
FROM (
    SELECT
        message.id,
        EXISTS (
            SELECT FROM chat_admins
            WHERE chat_admins.chat_id = message.chat_id
                AND chat_admins.telegram_id = message.user_id
                AND chat_admins.is_active
        ) AS is_admin,
        EXISTS (
            SELECT FROM telegram_users
            WHERE telegram_users.telegram_user_id = message.user_id
                AND telegram_users.is_trusted
        ) AS is_trusted
    FROM messages AS message
    WHERE NOT EXISTS (SELECT FROM detection_results WHERE detection_results.message_id = message.id)
) AS sender
WHERE messages.id = sender.id
    AND (sender.is_admin OR sender.is_trusted);
