ALTER TYPE state ADD VALUE 'void';
ALTER TYPE state RENAME VALUE 'new' TO 'entered';
