CREATE TABLE event_types (
    service text NOT NULL,
    verb text NOT NULL,
    name text GENERATED ALWAYS AS (service || '.' || verb) STORED PRIMARY KEY
);
CREATE TABLE subscriptions (id bigint PRIMARY KEY, event_type text NOT NULL REFERENCES event_types (name), note text);
