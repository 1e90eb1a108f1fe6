-- Migration 3 of the incidents, as it was: see ../../README.md. Do not copy.
SET LOCAL lock_timeout = '5s';

ALTER TABLE message_translations
    ADD CONSTRAINT fk_message_translations_messages_message_id
        FOREIGN KEY (message_id) REFERENCES messages (id) ON DELETE CASCADE,
    ADD CONSTRAINT fk_message_translations_message_edits_edit_id
        FOREIGN KEY (edit_id) REFERENCES message_edits (id) ON DELETE CASCADE;
