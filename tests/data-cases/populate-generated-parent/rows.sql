INSERT INTO event_types (service, verb) VALUES ('user', 'created');
INSERT INTO subscriptions (id, event_type) VALUES (1, 'user.created');
