INSERT INTO jobs VALUES ('backup', '* * * * *');
