-- Migration 2 of the incidents, as it was: see ../../README.md. Do not copy.
SET LOCAL lock_timeout = '5s';

DROP INDEX ix_message_translations_message_id;
DROP INDEX ix_message_translations_edit_id;

CREATE UNIQUE INDEX ux_message_translations_message_id ON message_translations (message_id)
    WHERE message_id IS NOT NULL;
CREATE UNIQUE INDEX ux_message_translations_edit_id ON message_translations (edit_id)
    WHERE edit_id IS NOT NULL;
