DROP TABLE telegram_users;
