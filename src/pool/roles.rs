//! What databases of one cluster share: roles, their memberships, their settings.
//!
//! A migration may create, alter and drop roles, and all of that outlives its database. Every template therefore knows
//! the roles as they were when it was made, and a judgement starts and ends with exactly those: roles of other chains
//! are renamed out of sight (objects refer to them by number), changed ones are put back, new ones are dropped. This
//! is done in the catalogs themselves, because only they say everything exactly.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::{Error, SimpleQueryMessage, Statement};

use crate::engine::beside::Beside;
use crate::engine::elsewhere;
use crate::engine::session::Session;

/// How roles that belong to another chain are called: this, their number, and what nobody can guess and take first.
const HIDDEN: &str = "migd_hidden_";

/// Roles, memberships and settings, as the catalogs' rows in JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Shared {
    roles: Value,
    members: Value,
    /// What refers to the memberships' roles, from 16 on: they are what `DROP OWNED` finds.
    grants: Value,
    settings: Value,
    /// `ALTER DATABASE … SET`, which a clone does not inherit.
    database_settings: Value,
    /// What is granted on the database: (grantee, grantor, right, may be passed on), in the server's order. A clone does not
    /// inherit it. None where nothing ever was.
    database_grants: Value,
}

impl Shared {
    /// From the columns of [`VISIBLE`].
    fn of<'a>(text: impl Fn(usize) -> &'a str) -> Shared {
        let json = |at| serde_json::from_str(text(at)).unwrap_or_default();
        Shared {
            roles: json(0),
            members: json(1),
            settings: json(2),
            database_settings: json(3),
            grants: json(4),
            database_grants: json(5),
        }
    }

    /// Of another database: what is granted on that one is granted on no other.
    pub(super) fn of_another(self) -> Shared {
        Shared { database_grants: Value::Null, ..self }
    }

    /// The roles' numbers.
    pub(super) fn oids(&self) -> BTreeSet<u64> {
        let roles = self.roles.as_array().map(Vec::as_slice).unwrap_or_default();
        roles.iter().filter_map(|role| role.get("oid")?.as_u64()).collect()
    }

    /// Whether a new session begins with settings of a role or of its database.
    pub(super) fn has_settings(&self) -> bool {
        self.has_database_settings() || self.settings.as_array().is_some_and(|settings| !settings.is_empty())
    }

    /// Whether there are settings that a clone does not inherit.
    pub(super) fn has_database_settings(&self) -> bool {
        self.database_settings.as_array().is_some_and(|settings| !settings.is_empty())
    }

    /// Whether there are grants that a clone does not inherit.
    pub(super) fn has_database_grants(&self) -> bool {
        self.database_grants.is_array()
    }

    /// Whether all that belongs to no one database is the same.
    pub(super) fn same_cluster(&self, other: &Shared) -> bool {
        self.roles == other.roles
            && self.members == other.members
            && self.grants == other.grants
            && self.settings == other.settings
    }
}

/// Reads what is visible now.
const VISIBLE: &str = "
    WITH visible AS (
        SELECT * FROM pg_catalog.pg_authid WHERE rolname !~ '^pg_' AND rolname !~ '^migd_hidden_')
    SELECT
        (SELECT coalesce(jsonb_agg(to_jsonb(r) ORDER BY r.oid), '[]') FROM visible r)::text,
        (SELECT coalesce(jsonb_agg(to_jsonb(m) ORDER BY m.roleid, m.member, m.grantor), '[]')
           FROM pg_catalog.pg_auth_members m WHERE m.member IN (SELECT oid FROM visible))::text,
        (SELECT coalesce(jsonb_agg(to_jsonb(s) ORDER BY s.setrole), '[]') FROM pg_catalog.pg_db_role_setting s
           WHERE s.setdatabase = 0 AND (s.setrole = 0 OR s.setrole IN (SELECT oid FROM visible)))::text,
        (SELECT coalesce(jsonb_agg(to_jsonb(s) - 'setdatabase' ORDER BY s.setrole), '[]')
           FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
           WHERE d.datname = current_database())::text,
        (SELECT coalesce(jsonb_agg(to_jsonb(d) ORDER BY d.objid, d.refobjid), '[]') FROM pg_catalog.pg_shdepend d
           WHERE d.dbid = 0 AND d.classid = 'pg_catalog.pg_auth_members'::regclass
             AND d.objid IN (SELECT (to_jsonb(m) ->> 'oid')::oid FROM pg_catalog.pg_auth_members m
                             WHERE m.member IN (SELECT oid FROM visible)))::text,
        (SELECT coalesce(CASE WHEN d.datacl IS NOT NULL THEN (
             SELECT coalesce(jsonb_agg(jsonb_build_array(
                        CASE a.grantee WHEN d.datdba THEN -1 ELSE a.grantee::int8 END,
                        CASE a.grantor WHEN d.datdba THEN -1 ELSE a.grantor::int8 END,
                        a.privilege_type, a.is_grantable) ORDER BY a.ordinality), '[]')
             FROM aclexplode(d.datacl) WITH ORDINALITY a (grantor, grantee, privilege_type, is_grantable, ordinality)
           ) END, 'null') FROM pg_catalog.pg_database d WHERE d.datname = current_database())::text";

/// What is visible now. Nothing on a server where migd is no superuser: its migrations cannot make roles there.
pub(super) async fn capture(session: &Session) -> Result<Shared, Error> {
    if !session.is_superuser() {
        return Ok(Shared::default());
    }
    // A simple query: one round trip, and nothing to prepare in a session that asks once or twice.
    for message in session.client().simple_query(VISIBLE).await? {
        if let SimpleQueryMessage::Row(row) = message {
            return Ok(Shared::of(|at| row.get(at).unwrap_or_default()));
        }
    }
    Ok(Shared::default())
}

/// The statement that reads what is visible, planned and used once. None where migd is no superuser.
pub(super) async fn prepare(session: &Session) -> Result<Option<Statement>, Error> {
    if !session.is_superuser() {
        return Ok(None);
    }
    let statement = session.client().prepare(VISIBLE).await?;
    session.client().query(&statement, &[]).await?;
    Ok(Some(statement))
}

/// Makes `wanted` what is visible; what is not wanted is hidden. `prepared`: as this session has [`prepare`]d it. Whether what is
/// granted on the session's database is as `wanted`, too: that is not touched. What a judgement that was given up had lent is
/// taken back.
pub(super) async fn arrange(
    session: &Session,
    prepared: Option<&Statement>,
    wanted: &Shared,
    beside: &Beside,
) -> Result<bool, Error> {
    if wanted.roles.is_null() {
        return Ok(true);
    }
    let now = match prepared {
        Some(statement) => {
            let row = session.client().query_one(statement, &[]).await?;
            Shared::of(|at| row.get(at))
        }
        None => capture(session).await?,
    };
    let granted = now.database_grants == wanted.database_grants;
    if now.same_cluster(wanted) && !beside.is_lent() {
        return Ok(granted);
    }
    let quote = |value: &Value| value.to_string().replace('\'', "''");
    let (roles, members, settings) = (quote(&wanted.roles), quote(&wanted.members), quote(&wanted.settings));
    let grants = quote(&wanted.grants);
    let sql = format!(
        "BEGIN;
         SET LOCAL allow_system_table_mods = on;
         SET LOCAL standard_conforming_strings = on;
         CREATE TEMP TABLE migd_roles ON COMMIT DROP AS
             SELECT * FROM jsonb_populate_recordset(NULL::pg_catalog.pg_authid, '{roles}');
         UPDATE pg_catalog.pg_authid SET rolname = '{HIDDEN}' || oid || '_' || md5(random()::text)
             WHERE rolname !~ '^pg_' AND rolname !~ '^{HIDDEN}' AND oid NOT IN (SELECT oid FROM migd_roles);
         UPDATE pg_catalog.pg_authid a SET rolname = w.rolname, rolsuper = w.rolsuper, rolinherit = w.rolinherit,
                rolcreaterole = w.rolcreaterole, rolcreatedb = w.rolcreatedb, rolcanlogin = w.rolcanlogin,
                rolreplication = w.rolreplication, rolbypassrls = w.rolbypassrls, rolconnlimit = w.rolconnlimit,
                rolpassword = w.rolpassword, rolvaliduntil = w.rolvaliduntil
             FROM migd_roles w WHERE a.oid = w.oid AND to_jsonb(a) <> to_jsonb(w);
         INSERT INTO pg_catalog.pg_authid SELECT * FROM migd_roles w
             WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_authid a WHERE a.oid = w.oid);
         DELETE FROM pg_catalog.pg_auth_members WHERE member IN (SELECT oid FROM migd_roles);
         INSERT INTO pg_catalog.pg_auth_members
             SELECT * FROM jsonb_populate_recordset(NULL::pg_catalog.pg_auth_members, '{members}');
         DELETE FROM pg_catalog.pg_shdepend WHERE dbid = 0 AND classid = 'pg_catalog.pg_auth_members'::regclass;
         INSERT INTO pg_catalog.pg_shdepend
             SELECT * FROM jsonb_populate_recordset(NULL::pg_catalog.pg_shdepend, '{grants}');
         DELETE FROM pg_catalog.pg_db_role_setting
             WHERE setdatabase = 0 AND (setrole = 0 OR setrole IN (SELECT oid FROM migd_roles));
         INSERT INTO pg_catalog.pg_db_role_setting
             SELECT * FROM jsonb_populate_recordset(NULL::pg_catalog.pg_db_role_setting, '{settings}');
         COMMIT"
    );
    let outcome = session.client().batch_execute(&format!("{sql};\n{}", elsewhere::show())).await;
    if outcome.is_err() {
        session.client().batch_execute("ROLLBACK").await?;
    }
    if outcome.is_ok() {
        beside.taken_back();
    }
    outcome.map(|()| granted)
}

/// Drops the hidden roles that no template knows. Touches nothing that a judgement can see.
pub(super) async fn tidy(session: &Session, known: &BTreeSet<u64>) -> Result<(), Error> {
    if !session.is_superuser() {
        return Ok(());
    }
    let sql = "SELECT oid, format('DROP ROLE %I', rolname) FROM pg_catalog.pg_authid WHERE rolname ~ '^migd_hidden_'";
    for row in session.client().query(sql, &[]).await? {
        let oid: u32 = row.get(0);
        if known.contains(&u64::from(oid)) {
            continue;
        }
        // One that still owns something in a database that is about to be dropped goes next time.
        if let Err(error) = session.client().batch_execute(row.get(1)).await {
            tracing::debug!(oid, %error, "a role stays hidden");
        }
    }
    Ok(())
}

/// Drops every role but `own` and the server's: for a cluster without any database of migd's left.
pub(super) async fn sweep(session: &Session, own: &[&str]) -> Result<(), Error> {
    let sql = "SELECT format('DROP ROLE %I', rolname) FROM pg_catalog.pg_authid
               WHERE rolname !~ '^pg_' AND NOT rolname::text = ANY ($1)";
    for row in session.client().query(sql, &[&own]).await? {
        session.client().batch_execute(row.get(0)).await?;
    }
    Ok(())
}

/// Gives a database the `ALTER DATABASE … SET` of its template, in the place of those that it has: a template that goes on
/// itself has them already.
pub(super) async fn apply_database_settings(session: &Session, shared: &Shared) -> Result<(), Error> {
    let settings = shared.database_settings.to_string().replace('\'', "''");
    let sql = format!(
        "BEGIN;
         SET LOCAL allow_system_table_mods = on;
         DELETE FROM pg_catalog.pg_db_role_setting s USING pg_catalog.pg_database d
             WHERE d.datname = current_database() AND s.setdatabase = d.oid;
         INSERT INTO pg_catalog.pg_db_role_setting
             SELECT d.oid, s.setrole, s.setconfig
             FROM jsonb_populate_recordset(NULL::pg_catalog.pg_db_role_setting, '{settings}') s,
                  pg_catalog.pg_database d
             WHERE d.datname = current_database();
         COMMIT"
    );
    session.client().batch_execute(&sql).await
}

/// Gives a database the grants of its template, in the place of those that it has.
///
/// A clone begins with none, and `DROP OWNED BY` takes a role's grants from every database there is: from waiting clones and
/// templates, too. So a judgement makes sure of them; where they are as they should be, nothing is written. Roles are meant
/// by number, and a grant's text can only name them: where one is not there at this moment, nothing is done. The
/// database's owner may always connect, or there would be no judgement.
pub(super) async fn apply_database_grants(session: &Session, shared: &Shared) -> Result<(), Error> {
    let grants = shared.database_grants.to_string().replace('\'', "''");
    let sql = format!(
        "BEGIN;
         SET LOCAL allow_system_table_mods = on;
         SET LOCAL standard_conforming_strings = on;
         WITH own AS (
             SELECT oid, datdba FROM pg_catalog.pg_database WHERE datname = current_database()),
         entry AS (
             SELECT CASE e ->> 0 WHEN '-1' THEN own.datdba ELSE (e ->> 0)::oid END AS grantee,
                    CASE e ->> 1 WHEN '-1' THEN own.datdba ELSE (e ->> 1)::oid END AS grantor,
                    CASE e ->> 2 WHEN 'CREATE' THEN 'C' WHEN 'TEMPORARY' THEN 'T' ELSE 'c' END AS letter,
                    (e ->> 3)::bool AS passed_on, place
             FROM own, jsonb_array_elements('{grants}') WITH ORDINALITY each (e, place)
             UNION ALL SELECT datdba, datdba, 'c', false, 0 FROM own
                 WHERE NOT EXISTS (SELECT FROM jsonb_array_elements('{grants}') e
                                   WHERE e ->> 0 = '-1' AND e ->> 2 = 'CONNECT')),
         item AS (
             SELECT grantee, grantor, min(place) AS place,
                    string_agg(letter || CASE WHEN passed_on THEN '*' ELSE '' END, '' ORDER BY letter) AS letters
             FROM entry GROUP BY grantee, grantor),
         named AS (
             SELECT item.*, coalesce(to_role.rolname, '') AS to_name, by_role.rolname AS by_name,
                    by_role.oid IS NOT NULL AND (to_role.oid IS NOT NULL OR item.grantee = 0) AS there
             FROM item LEFT JOIN pg_catalog.pg_authid to_role ON to_role.oid = item.grantee
                       LEFT JOIN pg_catalog.pg_authid by_role ON by_role.oid = item.grantor),
         wanted AS (
             SELECT array_agg(CASE WHEN there THEN format('%s=%s/%s',
                        CASE grantee WHEN 0 THEN '' ELSE '\"' || replace(to_name, '\"', '\"\"') || '\"' END, letters,
                        '\"' || replace(by_name, '\"', '\"\"') || '\"')::aclitem END ORDER BY place) AS acl
             FROM named HAVING bool_and(there)),
         changed AS (
             UPDATE pg_catalog.pg_database d SET datacl = wanted.acl FROM wanted, own
             WHERE d.oid = own.oid AND d.datacl IS DISTINCT FROM wanted.acl RETURNING d.oid, d.datdba),
         gone AS (
             DELETE FROM pg_catalog.pg_shdepend s USING changed
             WHERE s.dbid = 0 AND s.classid = 'pg_catalog.pg_database'::regclass AND s.objid = changed.oid
               AND s.deptype = 'a')
         INSERT INTO pg_catalog.pg_shdepend (dbid, classid, objid, objsubid, refclassid, refobjid, deptype)
             SELECT 0, 'pg_catalog.pg_database'::regclass, changed.oid, 0, 'pg_catalog.pg_authid'::regclass, role, 'a'
             FROM changed, (SELECT grantee FROM item UNION SELECT grantor FROM item) each (role)
             WHERE role <> changed.datdba AND role >= '16384'::oid;
         COMMIT"
    );
    let outcome = session.client().batch_execute(&sql).await;
    if outcome.is_err() {
        session.client().batch_execute("ROLLBACK").await?;
    }
    outcome
}

/// Whether a session has no setting of its role or of its database.
pub(super) async fn is_plain(session: &Session) -> Result<bool, Error> {
    let sql = "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_settings
                                  WHERE source IN ('global', 'user', 'database', 'database user'))";
    Ok(session.client().query_one(sql, &[]).await?.get(0))
}
