//! Checks: pure functions from what was observed to findings. Adding one is one file and one line in [`CHECKS`].

mod apply;
pub mod codes;
mod data;
mod design;
mod history;
mod mending;
mod missing;
mod newer;
mod revert;
pub mod scenario;
mod session;
mod slips;
mod together;

pub use codes::{CODES, Code, code};

use std::sync::Arc;

use crate::catalog::Difference;
use crate::layout::{Layout, Migration, Own, Source};
use crate::rows::{Found, Schema};
use crate::sql::LineIndex;
use crate::trace::Run;
use crate::trace::settings::Setting;
use crate::verdict::{Change, Finding, Severity, Span};

/// What is known of one migration when it has been judged.
pub struct Subject<'a> {
    /// The migration.
    pub migration: &'a Migration,
    /// How it differs from the commit it is compared with.
    pub change: Change,
    /// Whether the runner has downs at all.
    pub has_downs: bool,
    /// The runner.
    pub layout: &'a dyn Layout,
    /// What up leaves changed in its session.
    pub left: &'a [Setting],
    /// Up, over the schema before.
    pub up: Option<&'a Run>,
    /// What up changed.
    pub effect: &'a [Difference],
    /// Down, after up.
    pub down: Option<&'a Run>,
    /// What differs from the schema before once down has run.
    pub after_down: &'a [Difference],
    /// What differs from the rows before, of those that the chain itself inserts, once down has run.
    pub rows_after_down: &'a [String],
    /// Up again, after down.
    pub again: Option<&'a Run>,
    /// What differs from the first up's schema once up has run again.
    pub after_again: &'a [Difference],
    /// What the search for rows found; none when there was no search.
    pub rows: Option<&'a Found>,
    /// Tables and keys before up and after it; none when there was no search.
    pub schemas: Option<&'a (Arc<Schema>, Schema)>,
}

/// What is known of the whole chain, without running it.
pub struct History<'a> {
    /// The chain that is judged.
    pub chain: &'a [Arc<Migration>],
    /// The migrations that production may already have.
    pub base: &'a [Arc<Migration>],
    /// Where the set is, relative to the repository.
    pub root: &'a str,
    /// The commit that `base` is from, shortened for a person.
    pub base_rev: &'a str,
    /// Whether `base` is shared with an upstream branch, so that others may have run it.
    pub upstream: Option<&'a str>,
    /// The runner.
    pub layout: &'a dyn Layout,
    /// Files that belong to no migration, relative to the set.
    pub unknown: &'a [String],
    /// Versions that a merge brings in from somewhere else: nobody wrote them just now.
    pub merged: &'a [String],
    /// What names must match; empty: anything.
    pub naming: &'a str,
    /// Whether numbers may be left out.
    pub gaps: bool,
}

/// One check.
pub trait Check: Send + Sync {
    /// Looks at one judged migration.
    fn migration(&self, _subject: &Subject<'_>) -> Vec<Finding> {
        Vec::new()
    }

    /// Looks at the chain as a whole.
    fn history(&self, _history: &History<'_>) -> Vec<Finding> {
        Vec::new()
    }
}

/// All checks, in the order in which their findings are made.
pub static CHECKS: &[&dyn Check] =
    &[&apply::Apply, &session::Session, &revert::Revert, &data::Data, &design::Design, &history::Order];

/// What `failure` of `source` is, as a finding: used for staged migrations and for the chain before them.
pub use apply::failure as apply_failure;
pub(crate) use session::{carried, reaching};
pub(crate) use together::together;

/// A finding at `range` of `source`, or about the whole file when there is no range. The severity is the code's own.
pub(crate) fn at(source: &Source, range: Option<std::ops::Range<usize>>, code: &str, message: String) -> Finding {
    let finding = Finding::new(code, default_severity(code), message).in_file(&source.path);
    match range {
        Some(range) => {
            let index = LineIndex::new(&source.text);
            placed(finding, source, &index, index.span(range))
        }
        None => finding,
    }
}

/// `finding` at a place of `source`'s text, as it is in the file itself.
pub(crate) fn placed(finding: Finding, source: &Source, index: &LineIndex<'_>, span: Span) -> Finding {
    match source.own(span) {
        Own::At(own) => finding.at(own, index.lines(span)),
        Own::Within(asked, text, file, line) => {
            let message = format!("{} (line {line} of {file})", finding.message);
            Finding { message, ..finding }.at(asked, text)
        }
    }
}

/// How much a code weighs unless the configuration says otherwise.
pub fn default_severity(name: &str) -> Severity {
    codes::code(name).map_or(Severity::Error, |code| code.severity)
}
