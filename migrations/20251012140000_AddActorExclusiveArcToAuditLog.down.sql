SET LOCAL lock_timeout = '5s';

DROP TRIGGER tr_users_keep_actor ON users;
DROP FUNCTION keep_actor_of_deleted_user();

ALTER TABLE audit_log ADD COLUMN actor_user_id text;

-- The arc holds, so one of the two is always there, and it is what actor_user_id was.
UPDATE audit_log SET actor_user_id = coalesce(actor_web_user_id, actor_system_identifier);

ALTER TABLE audit_log
    ALTER COLUMN actor_user_id SET NOT NULL,
    DROP COLUMN actor_web_user_id,
    DROP COLUMN actor_system_identifier;

CREATE INDEX ix_audit_log_actor_user_id ON audit_log (actor_user_id);
