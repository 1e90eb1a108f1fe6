//! What other databases of one server have of a role: put out of sight, and back.
//!
//! Roles are the server's, and it does not let one be dropped that something in any database belongs to, or is granted to.
//! Templates and other clones of the same chain have the same role. A migration that drops it is to be kept from that by its own
//! database alone, as in production. What the others have of it refers, meanwhile, to a number that no role has.

/// What is added to a role's number: half of all there are.
const AWAY: u64 = 1 << 31;

/// The administrator's statement, in the one database whose objects count.
pub fn hide(role: &str) -> String {
    let role = role.replace('\'', "''");
    format!(
        "BEGIN;
         LOCK TABLE pg_catalog.pg_shdepend IN SHARE ROW EXCLUSIVE MODE;
         SET LOCAL allow_system_table_mods = on;
         SET LOCAL standard_conforming_strings = on;
         UPDATE pg_catalog.pg_shdepend d SET refobjid = (d.refobjid::int8 + {AWAY})::oid
             FROM pg_catalog.pg_database own, pg_catalog.pg_authid r
             WHERE own.datname = current_database() AND r.rolname = '{role}'
               AND d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = r.oid
               AND (d.dbid NOT IN (0, own.oid)
                    OR d.classid = 'pg_catalog.pg_database'::regclass AND d.objid <> own.oid);
         COMMIT"
    )
}

/// Puts everything back, for whatever role.
pub fn show() -> String {
    format!(
        "BEGIN;
         LOCK TABLE pg_catalog.pg_shdepend IN SHARE ROW EXCLUSIVE MODE;
         SET LOCAL allow_system_table_mods = on;
         UPDATE pg_catalog.pg_shdepend SET refobjid = (refobjid::int8 - {AWAY})::oid
             WHERE refclassid = 'pg_catalog.pg_authid'::regclass AND refobjid >= '{AWAY}'::oid;
         COMMIT"
    )
}
