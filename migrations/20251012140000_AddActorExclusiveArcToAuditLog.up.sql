-- Whoever did it is a user of the web application or something with a name of its own: exactly one of the two (an
-- exclusive arc), so that the user can be a foreign key.
SET LOCAL lock_timeout = '5s';

-- No user may be deleted between the copy and the constraint.
LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE audit_log
    ADD COLUMN actor_web_user_id text,
    ADD COLUMN actor_system_identifier text;

-- "system" is nobody's id, and users have been deleted since: whatever is not the id of a user stays what it is, a name.
UPDATE audit_log
SET actor_web_user_id = actor_user_id
WHERE actor_user_id <> 'system'
    AND EXISTS (SELECT FROM users WHERE users.id = audit_log.actor_user_id);

UPDATE audit_log
SET actor_system_identifier = actor_user_id
WHERE actor_web_user_id IS NULL;

ALTER TABLE audit_log
    DROP COLUMN actor_user_id,
    ADD CONSTRAINT ck_audit_log_exclusive_actor
        CHECK (num_nonnulls(actor_web_user_id, actor_system_identifier) = 1),
    ADD CONSTRAINT fk_audit_log_users_actor_web_user_id
        FOREIGN KEY (actor_web_user_id) REFERENCES users (id) ON DELETE SET NULL;

CREATE INDEX ix_audit_log_actor_web_user_id ON audit_log (actor_web_user_id) WHERE actor_web_user_id IS NOT NULL;

-- SET NULL alone would leave an entry without any actor, which the arc forbids, and no user who ever did something could
-- be deleted. Before it comes to that, the entry keeps the user's id as a name.
CREATE FUNCTION keep_actor_of_deleted_user() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE audit_log
    SET actor_web_user_id = NULL, actor_system_identifier = OLD.id
    WHERE actor_web_user_id = OLD.id;
    RETURN OLD;
END
$$;

CREATE TRIGGER tr_users_keep_actor BEFORE DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION keep_actor_of_deleted_user();
