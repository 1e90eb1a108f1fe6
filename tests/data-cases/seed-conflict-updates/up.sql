INSERT INTO settings VALUES ('theme', 'light') ON CONFLICT (key) DO UPDATE SET value = settings.value;
