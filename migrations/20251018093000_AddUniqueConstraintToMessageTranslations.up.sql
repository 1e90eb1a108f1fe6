-- One translation for a message, one for an edit. The arc's CHECK sees one row and cannot say so.
SET LOCAL lock_timeout = '5s';

-- No second translation may arrive between the clean-up and the indexes.
LOCK TABLE message_translations IN SHARE ROW EXCLUSIVE MODE;

-- Of several, the newest stays; of equally new ones, the one inserted last.
DELETE FROM message_translations AS older
USING message_translations AS newer
WHERE older.message_id = newer.message_id
    AND (older.translated_at, older.id) < (newer.translated_at, newer.id);

DELETE FROM message_translations AS older
USING message_translations AS newer
WHERE older.edit_id = newer.edit_id
    AND (older.translated_at, older.id) < (newer.translated_at, newer.id);

DROP INDEX ix_message_translations_message_id;
DROP INDEX ix_message_translations_edit_id;

CREATE UNIQUE INDEX ux_message_translations_message_id ON message_translations (message_id)
    WHERE message_id IS NOT NULL;
CREATE UNIQUE INDEX ux_message_translations_edit_id ON message_translations (edit_id)
    WHERE edit_id IS NOT NULL;
