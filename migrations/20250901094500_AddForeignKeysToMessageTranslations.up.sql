-- Translations go with the message or the edit they translate.
SET LOCAL lock_timeout = '5s';

-- Nothing may be deleted between the clean-up and the constraint.
LOCK TABLE messages, message_edits, message_translations IN SHARE ROW EXCLUSIVE MODE;

-- Messages were deleted while nothing took their translations along.
DELETE FROM message_translations AS translation
WHERE translation.message_id IS NOT NULL
    AND NOT EXISTS (SELECT FROM messages WHERE messages.id = translation.message_id);

DELETE FROM message_translations AS translation
WHERE translation.edit_id IS NOT NULL
    AND NOT EXISTS (SELECT FROM message_edits WHERE message_edits.id = translation.edit_id);

ALTER TABLE message_translations
    ADD CONSTRAINT fk_message_translations_messages_message_id
        FOREIGN KEY (message_id) REFERENCES messages (id) ON DELETE CASCADE,
    ADD CONSTRAINT fk_message_translations_message_edits_edit_id
        FOREIGN KEY (edit_id) REFERENCES message_edits (id) ON DELETE CASCADE;
