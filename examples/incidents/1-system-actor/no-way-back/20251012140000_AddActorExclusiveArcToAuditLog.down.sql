-- Written for the day on which everything had gone well, and never run: see ../../README.md. Do not copy.
ALTER TABLE audit_log DROP CONSTRAINT ck_audit_log_exclusive_actor;
ALTER TABLE audit_log DROP CONSTRAINT fk_audit_log_users_actor_web_user_id;

ALTER TABLE audit_log ADD COLUMN actor_user_id text;

UPDATE audit_log SET actor_user_id = coalesce(actor_web_user_id, actor_system_identifier);

ALTER TABLE audit_log DROP COLUMN actor_web_user_id;
ALTER TABLE audit_log DROP COLUMN actor_system_identifier;
