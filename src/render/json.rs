//! JSON: exactly one object, the interface of `schema: 1`.

use serde::Serialize;

use super::clean::is_hidden;
use crate::verdict::{Mode, Outcome, Report, SCHEMA, Verdict};

/// What is written when a request concerns none or several sets.
#[derive(Serialize)]
struct Sets<'a> {
    schema: u32,
    outcome: Outcome,
    repo: &'a str,
    mode: Mode,
    elapsed_ms: f64,
    sets: &'a [Verdict],
}

/// The verdict itself where there is one set, else an object around all of them.
pub(super) fn render(report: &Report) -> String {
    let text = match report.verdicts.as_slice() {
        [verdict] => serde_json::to_string_pretty(verdict),
        verdicts => serde_json::to_string_pretty(&Sets {
            schema: SCHEMA,
            outcome: report.outcome,
            repo: &report.repo,
            mode: report.mode,
            elapsed_ms: report.elapsed_ms,
            sets: verdicts,
        }),
    };
    ended(text)
}

/// Serialised data as it is written: it ends with a line feed, and what a terminal would act on is escaped.
pub(super) fn ended(text: serde_json::Result<String>) -> String {
    // These types have string keys and finite numbers (what is not finite becomes null), so that serialising them
    // cannot fail; an object that says so beats a panic in the one who waits for it.
    let text = text.unwrap_or_else(|error| serde_json::json!({ "error": error.to_string() }).to_string());
    let mut out = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        // JSON's own escapes cover the rest. All of these stand inside strings, where an escape is the same.
        if c == '\u{7f}' || is_hidden(c) {
            out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out.push('\n');
    out
}
