//! A report as text, for people, and in the formats that other tools read. One file per format; pure, no I/O.
//!
//! A migration is a stranger's text, and the server quotes it in its messages: what goes to a terminal passes [`fn@line`] or [`block`].

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::verdict::{Finding, Report, Severity};

mod audit;
mod clean;
mod github;
mod gitlab;
mod html;
mod json;
mod jsonl;
mod junit;
mod markdown;
mod sarif;
mod snippet;
mod summary;
mod table;
mod text;
mod wrap;

#[cfg(test)]
mod tests;

pub use crate::wire::Terminal;
pub use clean::{block, line};

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people, as compilers do it.
    #[default]
    Text,
    /// One object: the verdict.
    Json,
    /// One object a line: a verdict for each set.
    Jsonl,
    /// Workflow commands, which GitHub shows beside the changed lines.
    Github,
    /// GitLab's code quality report.
    Gitlab,
    /// SARIF 2.1.0.
    Sarif,
    /// JUnit's XML: a test case for each migration.
    Junit,
    /// Tables, for a comment on a merge request.
    Markdown,
    /// A page that stands alone.
    Html,
}

/// Writes `report` in `format`. The terminal matters to text only. What is written ends with a line feed.
pub fn render(report: &Report, format: Format, terminal: &Terminal) -> String {
    match format {
        Format::Text => text::render(report, terminal),
        Format::Json => json::render(report),
        Format::Jsonl => jsonl::render(report),
        Format::Github => github::render(report),
        Format::Gitlab => gitlab::render(report),
        Format::Sarif => sarif::render(report),
        Format::Junit => junit::render(report),
        Format::Markdown => markdown::render(report),
        Format::Html => html::render(report),
    }
}

/// Everything that a finding says beyond its message, as lines of plain text, for formats that have one field for it.
fn reasons(finding: &Finding) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(sqlstate) = &finding.sqlstate {
        out.push(format!("SQLSTATE {sqlstate}"));
    }
    out.extend(finding.detail.iter().cloned());
    if let Some(rows) = &finding.counterexample {
        out.push("these rows, which the schema before accepts, show it:".to_owned());
        out.extend(rows.setup.iter().map(|statement| with_semicolon(statement)));
        out.push(format!("the server then says: {}", rows.fails_with));
    }
    if let Some(help) = &finding.help {
        out.push(format!("help: {help}"));
    }
    out
}

/// What becomes of the migration over a finding's rows.
fn outcome_of_rows(finding: &Finding) -> &'static str {
    match finding.code.starts_with("revert.") {
        true => "up then passes and down fails",
        false => "the migration then fails",
    }
}

fn with_semicolon(statement: &str) -> String {
    let statement = statement.trim_end();
    if statement.ends_with(';') { statement.to_owned() } else { format!("{statement};") }
}

/// `1 error`, `2 errors`.
pub fn counted(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// Milliseconds as a person reads them.
fn duration(ms: f64) -> String {
    match ms {
        ms if ms < 9.95 => format!("{ms:.1} ms"),
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms if ms < 59_950.0 => format!("{:.1} s", ms / 1000.0),
        ms => {
            let seconds = (ms / 1000.0).round() as u64;
            format!("{} min {:02} s", seconds / 60, seconds % 60)
        }
    }
}

/// The findings of a report that stand, each with the name of its set.
fn standing(report: &Report) -> impl Iterator<Item = (&str, &Finding)> {
    report.verdicts.iter().flat_map(|verdict| {
        let standing = verdict.findings.iter().filter(|f| f.suppressed_by.is_none());
        standing.map(|finding| (verdict.set.as_str(), finding))
    })
}

/// All severities, the worst first.
const SEVERITIES: [Severity; 3] = [Severity::Error, Severity::Warning, Severity::Note];
