ALTER TABLE notes ALTER COLUMN body TYPE xml USING CASE WHEN xml_is_well_formed(body) THEN body::xml ELSE xmlelement(name p, body) END;
