-- The orphans do not come back: what they translated was gone already.
SET LOCAL lock_timeout = '5s';

ALTER TABLE message_translations
    DROP CONSTRAINT fk_message_translations_message_edits_edit_id,
    DROP CONSTRAINT fk_message_translations_messages_message_id;
