//! What is otherwise in production than where a migration is judged, and can be made up for with no more rights.
//!
//! Who deploys is often a superuser, and hands tables, schemas and functions to other roles as it likes. A role that is
//! none must be a member of those. It may become one: it has made them. So what is refused for want of it is run again
//! as a member, with no right that the migration could not have given itself, and the verdict says so. A new owner of an
//! object in a schema must be allowed to make objects there as well: that is granted for the one statement.
//!
//! Roles of other repositories' chains have other names meanwhile, and are never named here. The server's own (`pg_monitor`)
//! are lent only where they are named, and only as far as the role may grant them to itself.
//!
//! `SET SESSION AUTHORIZATION` is for superusers alone, and gives the session the other role's rights, as `SET ROLE` does for a
//! member: that is run in its place. They differ in who the session's own user is, so that it is left to be refused where the
//! file asks for that, or sets roles besides.
//!
//! Roles are the whole server's: what other databases of migd's, copies of this chain's own, have of a role keeps it from
//! being dropped. Production has one database, so that is put out of sight for as long as the statement runs.
//!
//! Migrations that name their own database (`GRANT CONNECT ON DATABASE shop`) mean the one that they are run in: where
//! there is none of that name for them, they are given the name of the database that they are judged in.

use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::apply::{Ended, Error, Steps, Stop, execute};
use super::elevate::{Lend, folded};
use super::{Loan, ServerError};
use crate::engine::elsewhere;
use crate::engine::session::describe;
use crate::sql::{Kind, identifier};

/// How often a statement is tried: a block may need one role after the other.
const ROUNDS: usize = 12;

/// What is refused for want of membership, as the server says it, from 9.6 to 18.
const REFUSALS: &[&str] = &[
    "must be member of role ",
    "must be able to SET ROLE ",
    "must be owner of ",
    "permission denied to set role ",
    AUTHORIZATION,
    "permission denied to drop objects",
    "permission denied to reassign objects",
    "permission denied to change default privileges",
];

/// Only a superuser may.
const AUTHORIZATION: &str = "permission denied to set session authorization";

/// How a database that is not there, or is not the migration's, is told; the name comes next.
const DATABASES: &[&str] = &["database \"", "permission denied for database ", "must be owner of database "];

/// What is refused where the new owner may not make objects in the schema.
const SCHEMA: &str = "permission denied for schema ";

/// Roles that the chain made, or what it starts from, and the server's own, which have smaller numbers; other chains' are hidden.
const ROLES: &str = "
    SELECT r.rolname::pg_catalog.text, pg_catalog.quote_ident(r.rolname::pg_catalog.text),
           pg_catalog.pg_has_role(session_user, r.oid, 'USAGE'), r.oid OPERATOR(pg_catalog.<) '16384'::pg_catalog.oid
    FROM pg_catalog.pg_roles r
    WHERE session_user OPERATOR(pg_catalog.=) current_user AND r.rolname OPERATOR(pg_catalog.<>) session_user
      AND NOT r.rolsuper
      AND (r.oid OPERATOR(pg_catalog.>=) '16384'::pg_catalog.oid OR r.rolname OPERATOR(pg_catalog.~) '^pg_')
      AND r.rolname OPERATOR(pg_catalog.!~) '^migd_hidden_'
    ORDER BY r.rolname";

/// Who may make nothing in a schema.
const STRANGERS: &str = "
    SELECT r.rolname::pg_catalog.text, pg_catalog.quote_ident(n.nspname::pg_catalog.text)
    FROM pg_catalog.pg_namespace n, pg_catalog.pg_roles r
    WHERE n.nspname OPERATOR(pg_catalog.=) $1::pg_catalog.text::pg_catalog.name
      AND NOT pg_catalog.has_schema_privilege(r.oid, n.oid, 'CREATE')";

/// Whether `statement` may have to be run again: where it is in a transaction, it is run so that it can be.
pub(super) fn may_need(statement: &str, kind: Kind) -> bool {
    static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let pattern = r"(?is)\A(?:(?:do|call|select|execute)\b|set\s+(?:local\s+|session\s+)?(?:role\b|session\s+authorization\b|session_authorization\b)|(?:alter|create|drop|reassign)\b.*\b(?:owner|owned|authorization|privileges|database)\b|drop\s+(?:role|user|group)\b|(?:grant|revoke|comment)\b.*\bdatabase\b)";
        Regex::new(pattern).ok()
    });
    matches!(kind, Kind::Other | Kind::Data | Kind::Set)
        && PATTERN.as_ref().is_some_and(|pattern| pattern.is_match(statement))
}

/// Whether `statement` looks into every database of the server, itself or in a block: for what a role owns or is granted.
pub(super) fn looks_elsewhere(statement: &str) -> bool {
    static PATTERN: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?i)\b(?:drop|reassign)\s+(?:owned|role|user|group)\b").ok());
    PATTERN.as_ref().is_some_and(|pattern| pattern.is_match(statement))
}

/// Whether an error of this code may be for want of what can be made up for.
pub(super) fn may_mend(sqlstate: &str) -> bool {
    matches!(sqlstate, "42501" | "3D000" | "2BP01")
}

/// `statement` with the database `current` in the place of those that are called `names`.
fn renamed(statement: &str, names: &[String], current: &str) -> String {
    static LIST: LazyLock<Option<(Regex, Regex)>> = LazyLock::new(|| {
        let name = r#"(?:[\p{L}_][\p{L}\p{N}_$]*|"(?:[^"]|"")+")"#;
        let list = format!(r"(?i)\bdatabase\s+{name}(?:\s*,\s*{name})*");
        Some((Regex::new(&list).ok()?, Regex::new(name).ok()?))
    });
    let Some((list, name)) = LIST.as_ref() else { return statement.to_owned() };
    let current = format!("\"{current}\"");
    let one = |found: &Captures<'_>| match names.contains(&folded(&found[0])) {
        true => current.clone(),
        false => found[0].to_owned(),
    };
    list.replace_all(statement, |found: &Captures<'_>| {
        let (word, rest) = found[0].split_at("database".len());
        format!("{word}{}", name.replace_all(rest, one))
    })
    .into_owned()
}

/// A role, as the session sees it.
struct Seen {
    name: String,
    quoted: String,
    /// The owner role has its rights.
    ours: bool,
    /// Every server has it.
    predefined: bool,
}

impl Steps<'_> {
    /// Runs a refused statement once more with what it lacks; none where that cannot be made up for.
    pub(super) async fn again(
        &mut self,
        text: &str,
        refusal: &ServerError,
    ) -> Result<Option<(Result<u64, Ended>, Loan)>, Stop> {
        if self.bench.limits.elevate == Lend::Nothing {
            return Ok(None);
        }
        let runner = self.bench.runner;
        let (mut loan, mut refusal, mut last) = (Loan::default(), refusal.clone(), None);
        for _ in 0..ROUNDS {
            if self.in_transaction {
                self.own("ROLLBACK TO SAVEPOINT migd_rights").await?;
            }
            // Outside of a transaction what was granted stays granted.
            let done = if self.in_transaction { 0 } else { loan.before.len() };
            let Ok(Some(current)) = self.lend(text, &refusal, &mut loan).await else { break };
            for grant in &loan.before[done..] {
                if execute(runner, grant).await.is_err() {
                    return Ok(last.map(|outcome| (outcome, loan)));
                }
            }
            let beside = &self.bench.limits.beside;
            if !loan.elsewhere.is_empty() {
                beside.put_out_of_sight();
            }
            for role in &loan.elsewhere {
                self.observed(&elsewhere::hide(role)).await?;
            }
            let outcome = self.supervised(execute(runner, &loan.applied(text, &current))).await;
            if !loan.elsewhere.is_empty() {
                self.observed(&elsewhere::show()).await?;
                beside.taken_back();
            }
            match outcome {
                Err(Ended::Server(error)) if may_mend(&error.sqlstate) => {
                    refusal = (*error).clone();
                    last = Some(Err(Ended::Server(error)));
                }
                // The block is not what it seemed.
                Err(Ended::Server(error)) if !loan.inside.is_empty() && error.sqlstate.starts_with("42") => break,
                outcome => {
                    if outcome.is_ok() {
                        for revoke in &loan.after {
                            self.own(revoke).await?;
                        }
                    }
                    return Ok(Some((outcome, loan)));
                }
            }
        }
        Ok(last.map(|outcome| (outcome, loan)))
    }

    /// A statement of the administrator's.
    async fn observed(&self, sql: &str) -> Result<(), Stop> {
        let done = self.bench.observer.client().batch_execute(sql).await;
        done.map_err(|error| Stop::Broken(Error::Lost(describe(&error))))
    }

    /// Adds to `loan` what `refusal` asks for, and says what the database is called; none where there is nothing to add.
    async fn lend(
        &self,
        text: &str,
        refusal: &ServerError,
        loan: &mut Loan,
    ) -> Result<Option<String>, tokio_postgres::Error> {
        let client = self.bench.runner.client();
        let current = "SELECT pg_catalog.current_database()::pg_catalog.text";
        let current: String = client.query_one(current, &[]).await?.get(0);
        let message = refusal.message.as_str();
        if let Some(rest) = DATABASES.iter().find_map(|start| message.strip_prefix(start)) {
            let name = rest.strip_suffix("\" does not exist").unwrap_or(rest).to_owned();
            if matches!(name.as_str(), "template0" | "template1") {
                return Ok(None);
            }
            let new = name != current
                && !loan.databases.contains(&name)
                && renamed(text, std::slice::from_ref(&name), &current) != text;
            loan.databases.push(name);
            return Ok(new.then_some(current));
        }
        let count = loan.len();
        if message == "permission denied to change owner of database" {
            loan.add("ALTER ROLE CURRENT_USER CREATEDB", Some("ALTER ROLE CURRENT_USER NOCREATEDB"));
            return Ok((loan.len() > count).then_some(current));
        }
        if refusal.sqlstate == "2BP01" {
            let role =
                message.strip_prefix("role \"").and_then(|rest| rest.split_once("\" cannot be dropped because "));
            let Some((role, _)) = role.filter(|_| also_elsewhere(refusal, &current)) else { return Ok(None) };
            // A second time: a clone of the chain's has been made since, and a function of the chain's drops the role.
            if !loan.elsewhere.iter().any(|known| known == role) {
                loan.elsewhere.push(role.to_owned());
            }
            return Ok(Some(current));
        }
        let schema = message.strip_prefix(SCHEMA);
        if schema.is_none() && !REFUSALS.iter().any(|start| message.starts_with(start)) {
            return Ok(None);
        }
        let seen = |row: &tokio_postgres::Row| Seen {
            name: row.get(0),
            quoted: row.get(1),
            ours: row.get(2),
            predefined: row.get(3),
        };
        let roles: Vec<Seen> = client.query(ROLES, &[]).await?.iter().map(seen).collect();
        if message.starts_with(AUTHORIZATION) {
            let wanted = authorized(text).filter(|_| loan.instead.is_none() && !asks_who(&self.source.text));
            let Some((set, name)) = wanted else { return Ok(None) };
            let Some(role) = roles.iter().find(|role| role.name == name) else { return Ok(None) };
            loan.instead = Some(format!("{set} ROLE {}", role.quoted));
            loan.roles.push(name);
            if !role.ours {
                loan.add(&format!("GRANT {} TO CURRENT_USER", role.quoted), None);
            }
            return Ok(Some(current));
        }
        let Some(schema) = schema else {
            let wanted: Vec<&Seen> =
                roles.iter().filter(|role| !role.ours && !loan.roles.contains(&role.name)).collect();
            let there = |name: &str| roles.iter().any(|role| role.name == name);
            match named(message).filter(|name| !there(name)) {
                // What was refused has made it, too, and that is undone.
                Some(name) if making(text, name).is_some() => {
                    loan.roles.push(name.to_owned());
                    loan.add_inside(name, format!("GRANT {} TO CURRENT_USER", identifier(name)));
                }
                Some(_) => return Ok(None),
                None => {
                    for role in meant(&wanted, refusal, text) {
                        loan.roles.push(role.name.clone());
                        loan.add(&format!("GRANT {} TO CURRENT_USER", role.quoted), None);
                    }
                }
            }
            return Ok((loan.len() > count).then_some(current));
        };
        if !hands_over(text, refusal) {
            return Ok(None);
        }
        let strangers = client.query(STRANGERS, &[&schema]).await?;
        let Some(schema) = strangers.first().map(|row| row.get::<_, String>(1)) else { return Ok(None) };
        let strangers: Vec<&str> = strangers.iter().map(|row| row.get(0)).collect();
        // Within a transaction the first round's grants are rolled back.
        let ours = |role: &&Seen| role.ours || loan.roles.contains(&role.name);
        let wanted: Vec<&Seen> =
            roles.iter().filter(ours).filter(|role| strangers.contains(&role.name.as_str())).collect();
        for role in meant(&wanted, refusal, text) {
            let (grant, revoke) =
                (format!("GRANT CREATE ON SCHEMA {schema} TO"), format!("REVOKE CREATE ON SCHEMA {schema} FROM"));
            loan.add(&format!("{grant} {}", role.quoted), Some(&format!("{revoke} {}", role.quoted)));
        }
        if loan.len() == count {
            // What the block makes is not there yet.
            for name in made(text).filter(|name| !roles.iter().any(|role| role.name == *name)) {
                let quoted = identifier(&name);
                loan.after.push(format!("REVOKE CREATE ON SCHEMA {schema} FROM {quoted}"));
                loan.add_inside(&name, format!("GRANT CREATE ON SCHEMA {schema} TO {quoted}"));
            }
        }
        Ok((loan.len() > count).then_some(current))
    }
}

impl Loan {
    /// The statement as it is run with it, in the database `current`.
    pub fn applied(&self, statement: &str, current: &str) -> String {
        if let Some(instead) = &self.instead {
            return instead.clone();
        }
        let mut text = renamed(statement, &self.databases, current);
        for (role, grants) in &self.inside {
            // Behind the statement that makes the role.
            let Some(making) = making(&text, role) else { continue };
            let Some(end) = text[making.end..].find(';').map(|at| making.end + at + 1) else { continue };
            text.insert_str(end, &grants.iter().map(|grant| format!(" {grant};")).collect::<String>());
        }
        text
    }

    fn len(&self) -> usize {
        self.before.len() + self.inside.values().map(Vec::len).sum::<usize>()
    }

    /// Once.
    fn add(&mut self, before: &str, after: Option<&str>) {
        if !self.before.iter().any(|known| known == before) {
            self.before.push(before.to_owned());
            self.after.extend(after.map(str::to_owned));
        }
    }

    /// Once.
    fn add_inside(&mut self, role: &str, grant: String) {
        let grants = self.inside.entry(role.to_owned()).or_default();
        if !grants.contains(&grant) {
            grants.push(grant);
        }
    }
}

/// The role that the server names.
fn named(message: &str) -> Option<&str> {
    let start = ["must be member of role \"", "must be able to SET ROLE \"", "permission denied to set role \""];
    start.iter().find_map(|start| message.strip_prefix(start))?.strip_suffix('"')
}

/// How a statement sets the session's user, as `SET` or `SET LOCAL`, and to whom.
fn authorized(statement: &str) -> Option<(&'static str, String)> {
    static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let name = r#"([\p{L}_][\p{L}\p{N}_$]*|"(?:[^"]|"")+"|'[^'\\]+')"#;
        let word = r"(?:session\s+authorization\s|session_authorization\s*(?:=|\bto\b))";
        Regex::new(&format!(r"(?is)\A\s*set\s+(?:(local)\s+|session\s+)?{word}\s*{name}\s*;?\s*\z")).ok()
    });
    let found = PATTERN.as_ref()?.captures(statement)?;
    let name = &found[2];
    let name = match name.strip_prefix('\'').and_then(|name| name.strip_suffix('\'')) {
        Some(name) => name.to_owned(),
        None => folded(name),
    };
    Some((if found.get(1).is_some() { "SET LOCAL" } else { "SET" }, name))
}

/// Whether a file asks who the session's own user is, or sets roles, which that user must be a member of.
fn asks_who(file: &str) -> bool {
    static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let pattern = r"(?i)\bsession_user\b|\b(?:set(?:\s+(?:local|session))?|reset)\s+role\b|\bset_config\b";
        Regex::new(pattern).ok()
    });
    PATTERN.as_ref().is_none_or(|pattern| pattern.is_match(file))
}

/// Where a block makes the role `name`.
fn making(block: &str, name: &str) -> Option<Range<usize>> {
    makings(block).find(|(made, _)| made == name).map(|(_, range)| range)
}

/// The roles that a block makes by name.
fn made(block: &str) -> impl Iterator<Item = String> {
    makings(block).map(|(name, _)| name)
}

fn makings(block: &str) -> impl Iterator<Item = (String, Range<usize>)> {
    static PATTERN: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"(?i)\bcreate\s+(?:role|user|group)\s+([a-z_][a-z0-9_$]*|"(?:[^"]|"")+")"#).ok());
    let is_block = block.get(..2).is_some_and(|word| word.eq_ignore_ascii_case("do"));
    let found = PATTERN.as_ref().filter(|_| is_block).into_iter().flat_map(|pattern| pattern.captures_iter(block));
    found.filter_map(|found| Some((folded(&found[1]), found.get(1)?.range())))
}

/// Whether something that depends on a role is in other databases than `current`. Once that is out of sight, the server
/// counts only what is in this one.
fn also_elsewhere(refusal: &ServerError, current: &str) -> bool {
    let detail = refusal.detail.as_deref().unwrap_or_default();
    let other = |name: &str| !name.contains(' ') && name != current;
    detail.lines().any(|line| {
        let counted =
            line.split_once(" in database ").filter(|(count, _)| count.starts_with(|c: char| c.is_ascii_digit()));
        let shared =
            ["privileges for database ", "owner of database "].iter().find_map(|start| line.strip_prefix(start));
        counted.map(|(_, name)| name).or(shared).is_some_and(other)
    })
}

/// Whether what was refused gives an object to another owner. Anything else that a role may not do in a schema, a
/// superuser could not do in its name either.
fn hands_over(text: &str, refusal: &ServerError) -> bool {
    static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?i)\bowner\s+to\b").ok());
    PATTERN.as_ref().is_some_and(|pattern| pattern.is_match(refusal.context.as_deref().unwrap_or(text)))
}

/// Those of `roles` that the server names; else those that the statement names; else all of them that are the chain's.
fn meant<'r>(roles: &[&'r Seen], refusal: &ServerError, text: &str) -> Vec<&'r Seen> {
    let said = format!("{} {}", refusal.message, refusal.detail.as_deref().unwrap_or_default());
    let named = |role: &&&Seen| said.contains(&format!("\"{}\"", role.name));
    let written = |role: &&&Seen| mentions(text, &role.name);
    let pick = |by: &dyn Fn(&&&'r Seen) -> bool| roles.iter().filter(by).copied().collect::<Vec<_>>();
    let own = pick(&|role| !role.predefined);
    [pick(&named), pick(&written)].into_iter().find(|found| !found.is_empty()).unwrap_or(own)
}

/// Whether `name` is a word of `text`, whatever its case.
fn mentions(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    text.match_indices(&name)
        .any(|(at, found)| !text[..at].ends_with(part_of_word) && !text[at + found.len()..].starts_with(part_of_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_hand_something_over_or_call_what_may_do_so_can_be_run_again() {
        for statement in [
            "ALTER TABLE t OWNER TO app",
            "alter function f(int)\n  owner to app",
            "CREATE SCHEMA s AUTHORIZATION app",
            "ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT SELECT ON TABLES TO reader",
            "REASSIGN OWNED BY app TO CURRENT_USER",
            "DROP OWNED BY app",
            "SET LOCAL ROLE app",
            "SET SESSION AUTHORIZATION app",
            "DO $$ BEGIN END $$",
            "GRANT CONNECT ON DATABASE shop TO app",
            "ALTER ROLE app IN DATABASE shop SET search_path = shop",
            "SELECT make_tenant('a')",
        ] {
            assert!(may_need(statement, crate::sql::classify(statement)), "{statement}");
        }
        for statement in [
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "SAVEPOINT owner",
            "CREATE TABLE owners (id int)",
            "INSERT INTO role VALUES ('owner')",
            "BEGIN",
        ] {
            assert!(!may_need(statement, crate::sql::classify(statement)), "{statement}");
        }
    }

    #[test]
    fn a_role_is_named_as_a_word() {
        assert!(mentions("alter table t owner to App;", "app"));
        assert!(mentions("alter table t owner to \"app-writer\"", "app-writer"));
        assert!(!mentions("alter table app_t owner to application", "app"));
    }

    #[test]
    fn a_role_that_a_block_makes_is_lent_where_it_is_made() {
        let block = "DO $$ BEGIN EXECUTE 'CREATE ROLE App LOGIN'; ALTER TABLE t OWNER TO app; END $$";
        let mut loan = Loan::default();
        loan.add_inside("app", "GRANT app TO CURRENT_USER".to_owned());
        assert_eq!(loan.applied(block, "clone"), block.replace("LOGIN';", "LOGIN'; GRANT app TO CURRENT_USER;"));
        assert_eq!(made(block).collect::<Vec<_>>(), ["app"]);
        assert_eq!(made("SELECT 'create role app;'").count(), 0);
    }

    #[test]
    fn a_database_is_renamed_where_it_is_named_as_one() {
        let renamed = |text: &str| renamed(text, &["shop".to_owned(), "My-Shop".to_owned()], "clone");
        assert_eq!(renamed("GRANT CONNECT ON DATABASE Shop TO shop"), "GRANT CONNECT ON DATABASE \"clone\" TO shop");
        assert_eq!(renamed("grant all on database\n\"My-Shop\", b to c"), "grant all on database\n\"clone\", b to c");
        assert_eq!(renamed("ALTER DATABASE shopping SET x = shop"), "ALTER DATABASE shopping SET x = shop");
        assert_eq!(renamed("format('ALTER DATABASE %I', shop)"), "format('ALTER DATABASE %I', shop)");
    }

    #[test]
    fn what_other_databases_have_of_a_role_is_told_from_what_its_own_has() {
        let elsewhere = |detail: &str| {
            let refusal = ServerError { detail: Some(detail.to_owned()), ..ServerError::default() };
            also_elsewhere(&refusal, "clone")
        };
        assert!(elsewhere("1 object in database migd_1\n12 objects in database migd_2"));
        assert!(elsewhere("privileges for database migd_1"));
        assert!(elsewhere("privileges for table t\n1 object in database migd_1"));
        assert!(!elsewhere("privileges for table t\nprivileges for database clone"));
        assert!(!elsewhere("owner of table \"1 object in database x\""));
        assert!(!elsewhere(""));
    }

    #[test]
    fn what_the_server_names_comes_first_then_the_statement_then_all() {
        let seen = |name: &str| {
            let predefined = name.starts_with("pg_");
            Seen { name: name.to_owned(), quoted: name.to_owned(), ours: false, predefined }
        };
        let (app, web, monitor) = (seen("app"), seen("web"), seen("pg_monitor"));
        let names = |message: &str, text: &str| {
            let refusal = ServerError { message: message.to_owned(), ..ServerError::default() };
            let found = meant(&[&app, &web, &monitor], &refusal, text);
            found.iter().map(|role| role.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names("must be member of role \"app\"", "DO $$ … web … $$"), ["app"]);
        assert_eq!(names("permission denied to drop objects", "DROP OWNED BY web"), ["web"]);
        assert_eq!(names("permission denied to drop objects", "SELECT clear()"), ["app", "web"]);
        assert_eq!(names("must be member of role \"pg_monitor\"", "SELECT give()"), ["pg_monitor"]);
    }

    #[test]
    fn a_sessions_user_is_set_in_several_ways() {
        let set = |text: &str| authorized(text);
        let to = |how, name: &str| Some((how, name.to_owned()));
        assert_eq!(set("SET SESSION AUTHORIZATION App;"), to("SET", "app"));
        assert_eq!(set("set session session authorization 'App'"), to("SET", "App"));
        assert_eq!(set("SET LOCAL\nSESSION AUTHORIZATION \"my app\""), to("SET LOCAL", "my app"));
        assert_eq!(set("SET session_authorization TO app"), to("SET", "app"));
        assert_eq!(set("SET LOCAL session_authorization='app' ;"), to("SET LOCAL", "app"));
        assert_eq!(set("RESET SESSION AUTHORIZATION"), None);
        assert!(asks_who("SELECT session_user") && asks_who("RESET\nROLE;") && asks_who("SET LOCAL ROLE x"));
        assert!(!asks_who("SET SESSION AUTHORIZATION app; CREATE TABLE role (id int); RESET SESSION AUTHORIZATION"));
    }
}
