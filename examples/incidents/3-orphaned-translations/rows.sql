-- Rows that production had before 20250901094500: what they translate is gone.
INSERT INTO message_translations (id, message_id, translated_text) VALUES (1, 999, 'Orphaned translation');
INSERT INTO message_translations (id, edit_id, translated_text) VALUES (2, 999, 'Orphaned translation of an edit');
