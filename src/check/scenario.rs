//! What is not as the user's own cases say: `scenario.*`.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::apply::failure;
use super::default_severity;
use crate::layout::Migration;
use crate::scenario::{Leg, Miss, Problem, What};
use crate::verdict::{Finding, Span};

/// The scenario in `path` cannot be run.
pub fn invalid(path: &str, text: &str, problem: &Problem) -> Finding {
    let finding = found("scenario.invalid", path, problem.message.clone()).help(problem.help.clone());
    placed(finding, text, &problem.lines)
}

/// The scenario in `path` has no text that can be read.
pub fn unreadable(path: &str, why: &str) -> Finding {
    found("scenario.invalid", path, why.to_owned()).help("a scenario is a text file, in UTF-8")
}

/// Scenarios that were not run, and why.
pub fn not_run(count: usize, why: &str, help: &str) -> Finding {
    let scenarios = if count == 1 { "a scenario was".to_owned() } else { format!("{count} scenarios were") };
    let message = format!("{scenarios} not run: {why}");
    Finding::new("scenario.not-run", default_severity("scenario.not-run"), message).help(help)
}

/// What is not as the scenario in `path` says.
pub fn miss(path: &str, text: &str, miss: &Miss, chain: &[Arc<Migration>]) -> Finding {
    let at = |code: &str, message: String| placed(found(code, path, message), text, &miss.lines);
    let raise = |key: &str| format!("if it has to take that long, raise `limits.{key}` in migd.toml");
    match &miss.what {
        What::Assertion { message, expected, actual, error } => {
            let mut finding = at("scenario.fails", message.clone());
            let block =
                |word: &str, text: &Option<String>| text.as_ref().map(|text| format!("{word}:\n{}", indented(text)));
            let said = error.iter().flat_map(|error| [&error.detail, &error.context]).flatten().cloned();
            let said: Vec<String> = if actual.is_some() { Vec::new() } else { said.collect() };
            let parts: Vec<String> =
                block("expected", expected).into_iter().chain(block("actual", actual)).chain(said).collect();
            finding.detail = Some(parts.join("\n")).filter(|detail| !detail.is_empty());
            if let Some(error) = error {
                finding.sqlstate = Some(error.sqlstate.clone());
                finding.table.clone_from(&error.table);
                finding.constraint.clone_from(&error.constraint);
            }
            let swallowed = lines(text, &miss.lines).skip(1).any(is_migrate);
            if swallowed && error.is_some() {
                finding.help = Some("a record ends with an empty line: put one before `migrate`".to_owned());
            }
            finding
        }
        What::Migration { leg, failure: how } => {
            let migration = &chain[leg.at];
            let source = if leg.up { &migration.up } else { migration.down.as_ref().unwrap_or(&migration.up) };
            let mut finding = failure(source, how);
            finding.code = "scenario.migration-fails".to_owned();
            finding.severity = default_severity(&finding.code);
            finding.message = format!("{} over the rows of a scenario: {}", named(migration, *leg), finding.message);
            let record = lines(text, &miss.lines).next().unwrap_or_default();
            let place = format!("in the scenario {path}:{}: {record}", miss.lines.start());
            finding.detail = Some(match finding.detail.take() {
                Some(detail) => format!("{detail}\n{place}"),
                None => place,
            });
            finding
        }
        What::Impassable { leg, why } => {
            let message = format!("{} cannot be run: {why}", named(&chain[leg.at], *leg));
            at("scenario.fails", message)
        }
        What::Statement(ms) => {
            at("scenario.timeout", format!("the statement was stopped after {}", seconds(*ms))).help(raise("statement"))
        }
        What::Whole(ms) => {
            at("scenario.timeout", format!("the scenario was stopped after {}", seconds(*ms))).help(raise("scenario"))
        }
        What::Disk(bytes) => {
            let message = format!("the statement was stopped: the database grew beyond {} MB", bytes >> 20);
            at("scenario.fails", message)
                .help("if it has to write that much, raise `limits.database_bytes` in migd.toml")
        }
    }
}

fn found(code: &str, path: &str, message: String) -> Finding {
    Finding::new(code, default_severity(code), message).in_file(path)
}

fn named(migration: &Migration, leg: Leg) -> String {
    let direction = if leg.up { "migration" } else { "the down of migration" };
    format!("{direction} {}", migration.version)
}

/// `finding` with the lines that it is about, of which the last ends with its last character.
fn placed(finding: Finding, text: &str, range: &RangeInclusive<u32>) -> Finding {
    let own: Vec<&str> = lines(text, range).collect();
    let last = own.last().copied().unwrap_or_default();
    let length = u32::try_from(own.len()).unwrap_or(1).max(1);
    let span = Span {
        line: *range.start(),
        column: 1,
        end_line: range.start() + length - 1,
        end_column: u32::try_from(last.chars().count()).unwrap_or(0) + 1,
    };
    finding.at(span, own.join("\n"))
}

fn lines<'t>(text: &'t str, range: &RangeInclusive<u32>) -> impl Iterator<Item = &'t str> {
    let first = range.start().saturating_sub(1) as usize;
    let count = range.end().saturating_sub(*range.start()) as usize + 1;
    text.lines().skip(first).take(count)
}

/// Whether a line looks like a `migrate` record.
fn is_migrate(line: &str) -> bool {
    let mut words = line.split_whitespace();
    words.next() == Some("migrate") && words.next().is_some_and(|word| ["to", "up", "down", "latest"].contains(&word))
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn seconds(ms: u64) -> String {
    if ms.is_multiple_of(1000) { format!("{} s", ms / 1000) } else { format!("{ms} ms") }
}
