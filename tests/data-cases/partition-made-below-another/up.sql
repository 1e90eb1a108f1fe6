CREATE UNIQUE INDEX ev_code_key ON ev (node, seq, lower(code));
