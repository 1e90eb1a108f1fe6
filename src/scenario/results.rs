//! What a record's failure means, in words, with what was expected and what was there.

use sqllogictest::{QueryExpect, RecordOutput, StatementExpect, TestErrorKind};

use super::session::Refused;
use super::{Record, What};
use crate::trace::ServerError;

/// Lines that are kept of what was expected and of what was there.
const LINES: usize = 40;

/// What `kind`, which the record failed with, means.
pub(super) fn what(record: &Record, kind: &TestErrorKind) -> What {
    let asked = match record {
        Record::Query { .. } => "the query",
        _ => "the statement",
    };
    match kind {
        TestErrorKind::Ok { .. } => {
            assertion(format!("{asked} succeeds"), Some(wanted_error(record)), Some("no error".to_owned()), None)
        }
        TestErrorKind::Fail { err, .. } => {
            let error = refused(err.as_ref());
            let message = format!("{asked} fails: {}", said(err.as_ref()));
            assertion(message, None, None, error)
        }
        TestErrorKind::ErrorMismatch { err, .. } => {
            let error = refused(err.as_ref());
            let state = error.as_ref().map(|error| format!(" ({})", error.sqlstate)).unwrap_or_default();
            let actual = format!("{err}{state}");
            assertion(format!("{asked} fails with another error"), Some(wanted_error(record)), Some(actual), error)
        }
        TestErrorKind::StatementResultMismatch { expected, actual, .. } => {
            let expected = format!("affected {expected} rows");
            assertion(format!("{asked} {actual}"), Some(expected), Some(actual.clone()), None)
        }
        TestErrorKind::QueryResultMismatch { expected, actual, .. } => {
            let message = format!("{asked} returns other rows");
            assertion(message, Some(rows(expected)), Some(rows(actual)), None)
        }
        TestErrorKind::QueryResultColumnsMismatch { expected, actual, .. } => {
            let count = |types: &str| format!("{} columns", types.chars().count());
            assertion(format!("{asked} returns {}", count(actual)), Some(count(expected)), Some(count(actual)), None)
        }
        other => assertion(other.to_string().lines().next().unwrap_or_default().to_owned(), None, None, None),
    }
}

/// Two queries of the same label have different results.
pub(super) fn differs_from_label(label: &str, line: u32) -> What {
    let message = format!("the query returns other rows than that of line {line}, which has the same label `{label}`");
    assertion(message, None, None, None)
}

/// The rows of a query that passed, for its label.
pub(super) fn labelled<'a>(
    record: &'a Record,
    output: &RecordOutput<sqllogictest::DefaultColumnType>,
) -> Option<(&'a str, blake3::Hash)> {
    let Record::Query { expected: QueryExpect::Results { label: Some(label), .. }, .. } = record else { return None };
    let RecordOutput::Query { rows, .. } = output else { return None };
    let mut hash = blake3::Hasher::new();
    for value in rows.iter().flatten() {
        hash.update(value.as_bytes()).update(&[0]);
    }
    Some((label, hash.finalize()))
}

fn assertion(
    message: String,
    expected: Option<String>,
    actual: Option<String>,
    error: Option<Box<ServerError>>,
) -> What {
    What::Assertion { message, expected, actual, error }
}

/// The error that the record wants.
fn wanted_error(record: &Record) -> String {
    let expected = match record {
        Record::Statement { expected: StatementExpect::Error(expected), .. }
        | Record::Query { expected: QueryExpect::Error(expected), .. } => expected.to_string(),
        _ => String::new(),
    };
    match expected.as_str() {
        "" | "(any)" => "an error".to_owned(),
        _ => match expected.split_once(") ") {
            Some(("(regex", pattern)) => format!("an error that matches {pattern}"),
            Some(("(sqlstate", state)) => format!("an error with SQLSTATE {state}"),
            Some((_, text)) => format!("the error\n{text}"),
            None => expected,
        },
    }
}

fn refused(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Option<Box<ServerError>> {
    match error.downcast_ref::<Refused>() {
        Some(Refused::Server(error)) => Some(error.clone()),
        _ => None,
    }
}

fn said(error: &(dyn std::error::Error + Send + Sync + 'static)) -> String {
    match error.downcast_ref::<Refused>() {
        Some(Refused::Server(error)) => error.message.clone(),
        _ => error.to_string(),
    }
}

/// Rows as the file writes them; of many, the first.
fn rows(text: &str) -> String {
    if text.is_empty() {
        return "no rows".to_owned();
    }
    let all = text.lines().count();
    let mut kept: Vec<&str> = text.lines().take(LINES).collect();
    let more = format!("… and {} more", all.saturating_sub(LINES));
    if all > LINES {
        kept.push(&more);
    }
    kept.join("\n")
}
