-- no-transaction
-- Migration 1 of the incidents, as it was: see ../../README.md. Do not copy.
-- The columns get a transaction of their own, so that the table is not locked while the entries are copied.
BEGIN;
ALTER TABLE audit_log
    ADD COLUMN actor_web_user_id text,
    ADD COLUMN actor_system_identifier text;
COMMIT;

UPDATE audit_log SET actor_web_user_id = actor_user_id;

ALTER TABLE audit_log
    ADD CONSTRAINT fk_audit_log_users_actor_web_user_id
    FOREIGN KEY (actor_web_user_id) REFERENCES users (id) ON DELETE SET NULL;

ALTER TABLE audit_log
    ADD CONSTRAINT ck_audit_log_exclusive_actor
    CHECK (num_nonnulls(actor_web_user_id, actor_system_identifier) = 1);

ALTER TABLE audit_log DROP COLUMN actor_user_id;

CREATE INDEX ix_audit_log_actor_web_user_id ON audit_log (actor_web_user_id) WHERE actor_web_user_id IS NOT NULL;
