ALTER TABLE jobs RENAME state TO status;
ALTER TABLE jobs ADD CHECK (status <> 'gone');
