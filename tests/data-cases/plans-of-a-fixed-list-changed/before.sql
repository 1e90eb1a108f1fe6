CREATE TABLE plans (code text PRIMARY KEY CHECK (code IN ('free', 'paid')), price numeric, label text);
INSERT INTO plans VALUES ('free', 0, 'Free'), ('paid', 9, 'Paid');
