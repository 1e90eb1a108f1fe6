SET LOCAL lock_timeout = '5s';

ALTER TABLE messages DROP COLUMN spam_check_skip_reason;
