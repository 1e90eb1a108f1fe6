CREATE TABLE settings (singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton), page_size integer NOT NULL DEFAULT 20);
INSERT INTO settings DEFAULT VALUES;
