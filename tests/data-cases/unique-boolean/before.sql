CREATE TABLE themes (id int PRIMARY KEY, is_default boolean NOT NULL DEFAULT false);
