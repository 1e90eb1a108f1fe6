CREATE TABLE members (
    team_id bigint NOT NULL,
    user_id bigint NOT NULL,
    since date,
    PRIMARY KEY (team_id, user_id)
);
