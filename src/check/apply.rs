//! Whether a migration runs at all: `apply.*`.

use super::{Check, Subject, at};
use crate::layout::Source;
use crate::sql::{LineIndex, ProblemKind};
use crate::trace::{Cause, Failure, Run, ServerError};
use crate::verdict::Finding;

/// Whether up runs.
pub(super) struct Apply;

impl Check for Apply {
    fn migration(&self, subject: &Subject<'_>) -> Vec<Finding> {
        let Some(up) = subject.up else { return Vec::new() };
        let source = &subject.migration.up;
        let mut findings = Vec::new();
        if let Some(failure) = &up.failure {
            findings.push(self::failure(source, failure));
        }
        findings.extend(left_open(source, up));
        findings
    }
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
    let mut finding = at(source, range.clone(), code, error.message.clone());
    if let (Some(range), Some(position)) = (&range, error.position) {
        let index = LineIndex::new(&source.text);
        let span = index.span_of_position(range.clone(), position);
        finding = finding.at(span, index.lines(span));
    }
    finding.sqlstate = Some(error.sqlstate.clone());
    finding.table.clone_from(&error.table);
    finding.constraint.clone_from(&error.constraint);
    let context = error.context.as_deref().map(|context| format!("in {context}"));
    let detail: Vec<String> = error.detail.iter().cloned().chain(context).collect();
    if !detail.is_empty() {
        finding.detail = Some(detail.join("\n"));
    }
    finding.help = advice(error).or_else(|| error.hint.clone());
    finding
}

/// What an extension may bring, as the server names it when it is missing.
const OF_EXTENSIONS: &[&str] = &["type ", "function ", "operator ", "text search ", "access method ", "language "];

/// What usually helps, where the server itself has no hint.
fn advice(error: &ServerError) -> Option<String> {
    let text = match error.sqlstate.as_str() {
        "25001" => {
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
        "42501" => {
            "migrations are judged under a role that is no superuser; make what needs more rights part of `setup_sql`, \
             or set `engine.superuser = true`, which needs the container engine"
        }
        "42704" if error.message.starts_with("role ") => {
            "make the role part of the set's `setup_sql` if production has it before the first migration"
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
            "the server that judges does not have this extension: use an image that has it (`engine.image`), or \
             install its package"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

fn not_sql(source: &Source, range: Option<std::ops::Range<usize>>, problem: &ProblemKind) -> Finding {
    match problem {
        ProblemKind::MetaCommand(word) => {
            at(source, range, "apply.meta-command", format!("`\\{word}` is a command of psql, not SQL"))
                .detail("a migration runner sends the file to the server, which does not know it")
                .help("write it as SQL, or remove the line")
        }
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

fn seconds(ms: u64) -> String {
    if ms.is_multiple_of(1000) { format!("{} s", ms / 1000) } else { format!("{ms} ms") }
}
