INSERT INTO notes VALUES (1, '{R&D}');
