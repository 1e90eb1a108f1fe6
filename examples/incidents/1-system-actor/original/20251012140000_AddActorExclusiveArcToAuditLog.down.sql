-- Complete: what is wrong with this pair is in its other half.
ALTER TABLE audit_log ADD COLUMN actor_user_id text;

UPDATE audit_log SET actor_user_id = coalesce(actor_web_user_id, actor_system_identifier);

ALTER TABLE audit_log
    ALTER COLUMN actor_user_id SET NOT NULL,
    DROP COLUMN actor_web_user_id,
    DROP COLUMN actor_system_identifier;

CREATE INDEX ix_audit_log_actor_user_id ON audit_log (actor_user_id);
