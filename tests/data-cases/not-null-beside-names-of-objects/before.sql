CREATE TABLE posts (id bigint PRIMARY KEY, language regconfig NOT NULL, kind regtype NOT NULL, maker regproc NOT NULL,
    made regprocedure NOT NULL, home regnamespace NOT NULL, owner regrole NOT NULL, sorted regcollation NOT NULL);
