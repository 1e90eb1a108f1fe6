//! Whether a migration runs at all: `apply.*`.

use std::collections::BTreeSet;

use regex::Regex;

use super::{Check, Subject, at, missing, newer, placed, slips};
use crate::layout::Source;
use crate::sql::{LineIndex, ProblemKind, identifier};
use crate::trace::{Cause, Executed, Failure, Loan, Run, ServerError};
use crate::verdict::Finding;

/// Whether up runs.
pub(super) struct Apply;

impl Check for Apply {
    fn migration(&self, subject: &Subject<'_>) -> Vec<Finding> {
        let Some(up) = subject.up else { return Vec::new() };
        let source = &subject.migration.up;
        let mut findings = Vec::new();
        if let Some(failure) = &up.failure {
            let mut finding = self::failure(source, failure);
            outside(&mut finding, subject);
            findings.push(finding);
        }
        findings.extend(left_open(source, up));
        let down = subject.migration.down.as_ref().zip(subject.down);
        for (source, run) in [(source, up)].into_iter().chain(down) {
            findings.extend(membership(source, run));
            findings.extend(authorization(source, run));
            findings.extend(database(source, run));
        }
        findings
    }
}

/// How the server's words end about what wants no transaction around it.
const INSIDE: &str = " cannot run inside a transaction block";

/// How the runner sends it outside of any transaction, where it wants none.
pub(super) fn outside(finding: &mut Finding, subject: &Subject<'_>) {
    let inside = finding.message.ends_with(INSIDE);
    if inside && finding.sqlstate.as_deref() == Some("25001") {
        finding.help = Some(format!("it cannot run inside a transaction: {}", subject.layout.outside()));
    }
}

/// What the role that ran it had to give itself for it, on the first statement that needed it.
fn membership(source: &Source, run: &Run) -> Option<Finding> {
    let lent = || {
        loans(run).filter(|(_, loan)| loan.instead.is_none() && (!loan.before.is_empty() || !loan.inside.is_empty()))
    };
    let (first, loan) = lent().next()?;
    let roles: BTreeSet<String> = lent().flat_map(|(_, loan)| &loan.roles).map(|role| format!("\"{role}\"")).collect();
    let roles: Vec<String> = roles.into_iter().collect();
    let message = match roles.as_slice() {
        [] => "only a superuser may run this as it stands".to_owned(),
        roles => format!("only a superuser or a member of {} may run this", roles.join(", ")),
    };
    let steps = |sql: &[String]| sql.iter().map(|step| format!("\n  {step};")).collect::<String>();
    let mut help = "if no superuser deploys, do as migd did, and put this".to_owned();
    if !loan.before.is_empty() {
        help.push_str(&format!(" before it:{}", steps(&loan.before)));
    }
    for (at, (role, grants)) in loan.inside.iter().enumerate() {
        let and = if at > 0 || !loan.before.is_empty() { "\nand this" } else { "" };
        help.push_str(&format!("{and} into it, behind where it makes \"{role}\":{}", steps(grants)));
    }
    if !loan.after.is_empty() {
        help.push_str(&format!("\nand this after it:{}", steps(&loan.after)));
    }
    match lent().count() - 1 {
        0 => {}
        1 => help.push_str("\nlikewise for one more statement"),
        more => help.push_str(&format!("\nlikewise for {more} more statements")),
    }
    Some(at(source, Some(first.range.clone()), "apply.membership", message).help(help))
}

/// The first `SET SESSION AUTHORIZATION`, in whose place `SET ROLE` was run.
fn authorization(source: &Source, run: &Run) -> Option<Finding> {
    let (first, instead, loan) =
        loans(run).find_map(|(statement, loan)| Some((statement, loan.instead.as_deref()?, loan)))?;
    let message = format!("only a superuser may run this as it stands: it is judged as `{instead}`");
    let before: String = loan.before.iter().map(|step| format!("\n  {step};")).collect();
    let help = format!(
        "the role's rights are the same with either. If no superuser deploys, do as migd did, and write this, with RESET ROLE \
         at the end:{before}\n  {instead};"
    );
    Some(at(source, Some(first.range.clone()), "apply.membership", message).help(help))
}

/// The databases that it names, at the first statement that does.
fn database(source: &Source, run: &Run) -> Option<Finding> {
    let named = || loans(run).filter(|(_, loan)| !loan.databases.is_empty());
    let (first, _) = named().next()?;
    let names: BTreeSet<String> =
        named().flat_map(|(_, loan)| &loan.databases).map(|name| format!("\"{name}\"")).collect();
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    let message = format!("database {names} is taken for the one that is migrated");
    let help = "if it has another name somewhere, ask for it: \
                `DO $$ BEGIN EXECUTE format('… DATABASE %I …', current_database()); END $$`";
    Some(at(source, Some(first.range.clone()), "apply.database", message).help(help))
}

/// The statements that passed only with what they were lent.
fn loans(run: &Run) -> impl Iterator<Item = (&Executed, &Loan)> {
    run.statements.iter().filter_map(|statement| Some((statement, statement.loan.as_ref()?)))
}

/// A transaction that the file opens and does not end.
pub(super) fn left_open(source: &Source, run: &Run) -> Option<Finding> {
    run.left_open.then(|| {
        let message = "the migration leaves a transaction open".to_owned();
        at(source, None, "apply.transaction-left-open", message)
            .detail("the runner closes its connection afterwards, and everything since BEGIN is rolled back")
            .help("end the file with COMMIT, or leave the transaction to the runner")
    })
}

/// What `failure` of `source` is, as a finding.
pub fn failure(source: &Source, failure: &Failure) -> Finding {
    let range = failure.range.clone();
    match &failure.cause {
        Cause::Server(error) => server(source, range, error),
        Cause::Timeout(ms) => {
            let message = format!("the statement was stopped after {}", seconds(*ms));
            at(source, range, "apply.timeout", message)
                .detail("it runs on an empty database, so it would not end sooner in production")
                .help("if it has to take that long, raise `limits.statement` in migd.toml")
        }
        Cause::Disk(bytes) => {
            let message = format!("the statement was stopped: the database grew beyond {} MB", bytes >> 20);
            at(source, range, "apply.disk", message)
                .help("if it has to write that much, raise `limits.database_bytes` in migd.toml")
        }
        Cause::ConnectionLost(said) => {
            at(source, range, "apply.connection-lost", "the session ended while the statement ran".to_owned())
                .detail(format!("the server says: {said}"))
                .help("a migration must not terminate its own session, nor crash the server")
        }
        Cause::Crashed(times) => {
            at(source, range, "apply.crashes", "the statement crashes the server".to_owned())
                .detail(format!(
                    "it did so {times} times out of {times}: on two clones of the schema before, and on a new server"
                ))
                .help("in production every session would be ended with it: write the statement otherwise, or update the server or the extension whose function it calls")
        }
        Cause::NotSql(problem) => not_sql(source, range, problem),
    }
}

fn server(source: &Source, range: Option<std::ops::Range<usize>>, error: &ServerError) -> Finding {
    // Class 42501 is the difference between migd's role and production's, not a mistake in the SQL.
    let text = range.clone().and_then(|range| source.text.get(range)).unwrap_or_default();
    let code = match error.sqlstate.as_str() {
        "42501" => "apply.permission",
        // The disk is full, or the bound of temporary files is reached.
        "53100" | "53400" => "apply.disk",
        "42601" if text.starts_with("<<<<<<< ") => "apply.not-sql",
        _ => "apply.error",
    };
    let mut finding = match (&range, error.position) {
        (Some(range), Some(position)) => {
            let index = LineIndex::new(&source.text);
            let span = index.span_of_position(range.clone(), position);
            placed(at(source, None, code, error.message.clone()), source, &index, span)
        }
        _ => at(source, range.clone(), code, error.message.clone()),
    };
    finding.sqlstate = Some(error.sqlstate.clone());
    finding.table.clone_from(&error.table);
    finding.constraint.clone_from(&error.constraint);
    let context = error.context.as_deref().map(|context| format!("in {context}"));
    let detail: Vec<String> =
        error.detail.iter().map(|detail| own(detail)).filter(|detail| !detail.is_empty()).chain(context).collect();
    if !detail.is_empty() {
        finding.detail = Some(detail.join("\n"));
    }
    finding.help = (code == "apply.not-sql")
        .then(|| "a merge has left its marks here: keep one of the two sides, or both, without the marks".to_owned())
        .or_else(|| newer::advice(error, text))
        .or_else(|| elsewhere(error))
        .or_else(|| meant(error))
        .or_else(|| slips::advice(error, text))
        .or_else(|| missing::advice(error))
        .or_else(|| taken_role(error, source, range.as_ref()))
        .or_else(|| advice(error))
        .or_else(|| error.hint.clone());
    finding
}

/// Where something of the missing name is.
fn elsewhere(error: &ServerError) -> Option<String> {
    let schemas = error.elsewhere.join(", ");
    let (first, are) = match error.elsewhere.as_slice() {
        [] => return None,
        [first] => (first, format!("the schema {schemas} has one of that name")),
        [first, ..] => (first, format!("the schemas {schemas} have one of that name")),
    };
    if let Some(schema) = schema_asked(&error.message) {
        return Some(format!(
            "{are}. Either that one is meant, or production's role makes what has no schema in {schema}, by a setting of its own: \
             say so in the set's `setup_sql`: `CREATE SCHEMA IF NOT EXISTS {schema}; ALTER ROLE CURRENT_USER SET search_path = \
             {schema}, public`"
        ));
    }
    let named = format!("{are}: name it with its schema, or `SET search_path` first");
    // That one is on the path by itself: something in the chain has taken it off.
    if first == "public" {
        return Some(named);
    }
    Some(format!(
        "{named}. Where production's role finds it by a setting of its own, say so in the set's `setup_sql`: \
         `ALTER ROLE CURRENT_USER SET search_path = {first}, public`"
    ))
}

/// Which constraints the table has that may be meant.
fn meant(error: &ServerError) -> Option<String> {
    match error.meant.as_slice() {
        [] => None,
        [one] => Some(format!("the table has {one}: is that the one?")),
        several => Some(format!("the table has {}: is one of them meant?", several.join(", "))),
    }
}

/// Where the file has taken a role, which may not make anything in a schema: whoever takes it, it has no rights but its own.
fn taken_role(error: &ServerError, source: &Source, range: Option<&std::ops::Range<usize>>) -> Option<String> {
    let schema = error.message.strip_prefix("permission denied for schema ").filter(|_| error.sqlstate == "42501")?;
    let before = source.text.get(source.body.start..range?.start)?;
    let set = Regex::new(r#"(?im)^\s*(?:SET\s+(?:LOCAL\s+|SESSION\s+)?|RE)(?:SET\s+)?ROLE\b\s*([\w$]+|"[^"]+")?\s*;"#)
        .ok()?;
    let role = set.captures_iter(before).last()?.get(1)?.as_str();
    (!role.eq_ignore_ascii_case("none")).then(|| {
        format!(
            "the file has taken the role {role}, and what it does then has this role's rights, whoever deploys: `GRANT CREATE ON \
             SCHEMA {schema} TO {role}` before, or `RESET ROLE` (since PostgreSQL 15 not everybody may make things in public)"
        )
    })
}

/// The schema in which something was looked for and is not: `relation "shop.orders" does not exist`.
fn schema_asked(message: &str) -> Option<&str> {
    let named = message.strip_suffix(" does not exist")?.split_once(' ')?.1;
    let named = named.split('(').next()?.trim_matches('"');
    let (schema, _) = named.split_once('.')?;
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (!schema.is_empty() && schema.chars().all(is_plain)).then_some(schema)
}

/// What an extension may bring, as the server names it when it is missing.
const OF_EXTENSIONS: &[&str] = &["type ", "function ", "operator ", "text search ", "access method ", "language "];

/// What usually helps, where the server itself has no hint.
fn advice(error: &ServerError) -> Option<String> {
    let text = match error.sqlstate.as_str() {
        "57014" if error.message.contains("statement timeout") => {
            "it runs longer than the `statement_timeout` that the file, or a role's or database's setting, has given it: raise \
             that for this statement (`SET LOCAL statement_timeout = …`)"
        }
        "55P04" => {
            "a value that is added to an enum can be used when it is committed: put ALTER TYPE … ADD VALUE into a migration \
             of its own, deployed before this one"
        }
        "25001" if error.message.ends_with(INSIDE) => {
            "it cannot run inside a transaction: put it in a migration of its own and tell the runner to use none"
        }
        "42501" if error.message.contains("create extension") => {
            "migd makes the extensions for a migration that are known to open no files, programs, network or other \
             databases, and with a script of its own only before the first function; judge this one in a container \
             (`engine.kind = \"container\"`), and one that does open them with `engine.superuser = true` there"
        }
        "42501" if error.message.contains("operator class") || error.message.contains("operator family") => {
            "a wrong operator class can crash the server: judge it in a container (`engine.kind = \"container\"`)"
        }
        "42501" if error.message.starts_with("permission denied to set session authorization") => {
            "nobody but a superuser may, and migrations are judged under a role that is none. For a role of the chain's own \
             `SET ROLE` is tried in its place, which is the same as long as the file neither asks for `session_user` nor \
             sets roles besides: write `SET ROLE …` and `RESET ROLE`"
        }
        "42501" if error.context.is_some() && error.message.starts_with("must be member of role \"") => {
            "a superuser may. If the function that is called makes the role: let it `GRANT` the role `TO CURRENT_USER` \
             right after, which changes nothing for a superuser; or make the role in a statement of its own before"
        }
        "42501" if error.message.starts_with("permission denied for schema ") && hands_over(error) => {
            "a superuser may. Everybody else has to let the new owner make objects in that schema first \
             (`GRANT CREATE ON SCHEMA … TO …`); `REVOKE` it afterwards, if it is not to keep that"
        }
        "42501" => {
            "migrations are judged under a role that owns the database and is no superuser. If a superuser deploys in \
             production: judge as one, in a container only (`engine.kind = \"container\"`, `engine.superuser = true`), or \
             let the file do without where it may not: `DO $$ BEGIN EXECUTE '…'; EXCEPTION WHEN insufficient_privilege THEN \
             RAISE NOTICE 'left to an administrator'; END $$`"
        }
        // `SET ROLE` has a code of its own for it.
        "42704" | "22023" if error.message.starts_with("role \"") => return role_that_is_missing(&error.message),
        "3F000" if error.message.starts_with("no schema has been selected") => {
            "`search_path` names no schema that is there: what production has before the first migration (`CREATE SCHEMA …`) \
             belongs in the set's `setup_sql`"
        }
        "42P01" | "3F000" => {
            "is it created by a later migration, or by something outside the chain? what production has before the \
             first migration belongs in the set's `setup_sql`"
        }
        "42704" | "42883" if OF_EXTENSIONS.iter().any(|kind| error.message.starts_with(kind)) => {
            "is it made by an extension, or by something outside the chain? what production has before the first \
             migration (`CREATE EXTENSION …`) belongs in the set's `setup_sql`"
        }
        "0A000" | "58P01" if error.message.contains("extension") => {
            "the server that judges does not have all of this extension, or not this version of it: use an image that has \
             it (`engine.image`), or install its package"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// A server's detail without what it counts in other databases, which are migd's, and without the name that the migrated one
/// has here.
fn own(detail: &str) -> String {
    let other = |line: &&str| line.starts_with(|c: char| c.is_ascii_digit()) && line.contains(" in database migd_");
    let here = |line: &str| {
        let starts = ["privileges for ", "owner of "];
        let start = starts
            .iter()
            .find(|start| line.strip_prefix(*start).is_some_and(|rest| rest.starts_with("database migd_")));
        start.map_or_else(|| line.to_owned(), |start| format!("{start}the database that is migrated"))
    };
    let lines: Vec<String> = detail.lines().filter(|line| !other(line)).map(here).collect();
    lines.join("\n")
}

/// Production may have a role that no migration makes.
fn role_that_is_missing(message: &str) -> Option<String> {
    let name = message.strip_prefix("role \"")?.strip_suffix("\" does not exist")?;
    if name.starts_with("pg_") {
        let why = "the server's own roles are there as far as its version has them; before 16, migd's servers lack those that reach \
                   the machine's files and programs, because whoever makes roles could take them. Let the file do without: \
                   `IF EXISTS (SELECT FROM pg_roles WHERE rolname = '…') THEN …` in a DO block";
        return Some(why.to_owned());
    }
    let name = identifier(name);
    Some(format!(
        "if production has it before the first migration: write `CREATE ROLE {name};` into a file, and name the file in \
         migd.toml, under the set's [[migrations]]: `setup_sql = [\"db/before.sql\"]`"
    ))
}

/// Whether it was a function's statement that gives something to another owner.
fn hands_over(error: &ServerError) -> bool {
    error.context.as_ref().is_some_and(|context| context.to_lowercase().contains("owner to "))
}

fn not_sql(source: &Source, range: Option<std::ops::Range<usize>>, problem: &ProblemKind) -> Finding {
    match problem {
        ProblemKind::MetaCommand(word) => at(
            source,
            range,
            "apply.meta-command",
            format!("`\\{word}` is a command of psql, not SQL"),
        )
        .detail(
            "psql alone runs it: every other runner, and migd, sends the file to the server, which does not know it",
        )
        .help(in_sql(word)),
        ProblemKind::Unterminated(opener) => {
            at(source, range, "apply.unterminated", format!("{opener} is never closed"))
                .help("close it; everything after it is read as part of it")
        }
        ProblemKind::Nul => at(source, range, "apply.not-sql", "the file has a NUL byte".to_owned())
            .detail("PostgreSQL's texts end at one: nothing after it would be run")
            .help("is it a text file, and in UTF-8?"),
        ProblemKind::CopyWithoutEnd => {
            at(source, range, "apply.unterminated", "the data of COPY … FROM STDIN never ends".to_owned())
                .help("end it with a line that holds only `\\.`")
        }
    }
}

/// What says the same as a command of psql's without it.
fn in_sql(command: &str) -> &'static str {
    match command {
        "c" | "connect" => {
            "a migration is judged in one database, which it is connected to already: remove the line; what is for another \
             database belongs in a set of its own"
        }
        "i" | "ir" | "include" | "include_relative" => "write what the other file does into this one",
        "copy" => "write the rows behind `COPY … FROM STDIN;` and end them with `\\.`, or INSERT them",
        "gexec" => {
            "`DO $$ DECLARE statement text; BEGIN FOR statement IN SELECT … LOOP EXECUTE statement; END LOOP; END $$;` does it"
        }
        "set" | "getenv" | "prompt" | "gset" => {
            "write the value itself where the variable stands, or let migd put it there: `vars = { name = \"…\" }` in the \
             set's section of migd.toml; a `\\set` whose variable is filled in so is left out"
        }
        "if" | "elif" | "else" | "endif" => "`DO $$ BEGIN IF … THEN … END IF; END $$;` decides in the server",
        "g" => "end the statement with a semicolon",
        _ => "write it as SQL, or remove the line",
    }
}

fn seconds(ms: u64) -> String {
    if ms.is_multiple_of(1000) { format!("{} s", ms / 1000) } else { format!("{ms} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_that_the_file_takes_is_told_where_it_may_not() {
        let told = |before: &str| {
            let text = format!("{before}CREATE TABLE t (a int);");
            let (start, end) = (before.len(), text.len());
            let mode = crate::layout::Mode::Simple;
            let source =
                Source { path: String::new(), text: text.into(), body: 0..end, mode, pieces: None, inserts: None };
            let error = ServerError {
                sqlstate: "42501".to_owned(),
                message: "permission denied for schema public".to_owned(),
                ..ServerError::default()
            };
            taken_role(&error, &source, Some(&(start..end)))
        };
        assert!(told("SET ROLE app;\n").unwrap().contains("GRANT CREATE ON SCHEMA public TO app`"));
        assert!(told("RESET ROLE;\nset local role \"My app\";").unwrap().contains("TO \"My app\"`"));
        assert_eq!(told("SET ROLE app;\nRESET ROLE;\n"), None);
        assert_eq!(told("SET ROLE app; SELECT 1;\nSET ROLE NONE;\n"), None);
        assert_eq!(told("-- SET ROLE\n"), None);
    }

    #[test]
    fn what_another_schema_has_is_told_by_where_it_was_looked_for() {
        let told = |message: &str, schema: &str| {
            let error = ServerError {
                message: message.to_owned(),
                elsewhere: vec![schema.to_owned()],
                ..ServerError::default()
            };
            elsewhere(&error).unwrap_or_default()
        };
        let qualified = told("relation \"shop.orders\" does not exist", "public");
        assert!(
            qualified
                .contains("CREATE SCHEMA IF NOT EXISTS shop; ALTER ROLE CURRENT_USER SET search_path = shop, public")
        );
        assert!(
            told("function shop.total(public.money) does not exist", "public").contains("search_path = shop, public")
        );
        let bare = told("relation \"orders\" does not exist", "shop");
        assert!(bare.contains("search_path = shop, public") && bare.contains("name it with its schema"), "{bare}");
        let on_the_path = told("function total(shop.money) does not exist", "public");
        assert!(!on_the_path.contains("setup_sql"), "no setting puts it there: {on_the_path}");
    }
}
