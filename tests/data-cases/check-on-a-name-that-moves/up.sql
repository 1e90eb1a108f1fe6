ALTER TABLE items RENAME label TO code;
ALTER TABLE items RENAME rank TO label;
ALTER TABLE items ADD CHECK (label > 0);
