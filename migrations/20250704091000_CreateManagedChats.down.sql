DROP TABLE managed_chats;
