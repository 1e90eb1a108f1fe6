ALTER TABLE messages ALTER COLUMN status TYPE varchar(30);
UPDATE messages SET status = 'PENDING';
