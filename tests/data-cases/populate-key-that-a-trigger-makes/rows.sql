INSERT INTO apps (name) VALUES ('shop');
INSERT INTO actions (id, app_id) SELECT 1, id FROM apps;
