SET LOCAL lock_timeout = '5s';

DROP INDEX ux_message_translations_edit_id;
DROP INDEX ux_message_translations_message_id;

CREATE INDEX ix_message_translations_message_id ON message_translations (message_id);
CREATE INDEX ix_message_translations_edit_id ON message_translations (edit_id);
