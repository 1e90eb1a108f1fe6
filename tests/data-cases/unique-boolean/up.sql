CREATE UNIQUE INDEX one_default ON themes (is_default) WHERE is_default;
