DROP TABLE message_translations;
