ALTER TABLE pages ADD COLUMN lang text;
UPDATE pages SET lang = 'en';
