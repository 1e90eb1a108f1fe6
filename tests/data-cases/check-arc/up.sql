ALTER TABLE t ADD CHECK (num_nonnulls(a, b) = 1);
