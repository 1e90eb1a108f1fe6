//! From a report to what an editor shows: each finding at its place, with its reason, its way out and its rows.

use std::path::Path;

use gen_lsp_types::{
    Code, CodeDescription, Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity, Location, Message, Position,
    Range, Uri,
};
use serde_json::json;

use super::documents::Texts;
use super::position::{self, Encoding};
use super::{explain, uri};
use crate::verdict::{Finding, MigrationReport, Report, Severity, Span};

/// What marks a diagnostic as migd's.
pub(super) const SOURCE: &str = "migd";
/// How many lines of a finding's detail, and how many of its rows, are shown.
const SHOWN: usize = 12;

/// A finding and its place in a document.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    /// The document, as the editor names it if it is open there.
    pub(super) uri: String,
    pub(super) range: Range,
    pub(super) finding: Finding,
    /// The up of the migration that it is about, relative to the repository: where it can be accepted.
    pub(super) up: Option<String>,
}

/// What a report says to an editor.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// What has a place.
    pub(super) placed: Vec<Placed>,
    /// What has none.
    pub(super) unplaced: Vec<Finding>,
}

/// The findings of `report` that stand, with their places. `texts` are the documents that were judged.
pub(super) fn said(report: &Report, texts: &Texts, encoding: Encoding) -> Said {
    let mut said = Said::default();
    let root = Path::new(&report.repo);
    for verdict in &report.verdicts {
        for finding in verdict.findings.iter().filter(|finding| finding.suppressed_by.is_none()) {
            // There is nothing to say to whoever edits a file that migd has no part in.
            if matches!(&*finding.code, "config.no-sets" | "config.not-a-repository" | "config.bare") {
                continue;
            }
            let path = finding.path.as_deref().filter(|path| !root.join(path).is_dir());
            let Some(path) = path else {
                said.unplaced.push(finding.clone());
                continue;
            };
            let file = root.join(path);
            let (uri, range) = match texts.at(&file) {
                Some((uri, document)) => (uri.to_owned(), range_of(finding, Some(&document.text), encoding)),
                None => (uri::of_path(&file), range_of(finding, None, encoding)),
            };
            let up = up_of(&verdict.migrations, path).map(|migration| migration.path.clone());
            said.placed.push(Placed { uri, range, finding: finding.clone(), up });
        }
    }
    said
}

/// The migration that the file at `path` is the up or the down of.
fn up_of<'m>(migrations: &'m [MigrationReport], path: &str) -> Option<&'m MigrationReport> {
    let is = |migration: &&MigrationReport| migration.path == path || migration.down_path.as_deref() == Some(path);
    migrations.iter().find(is)
}

/// The place of a finding; the first line where it is about the whole file.
fn range_of(finding: &Finding, text: Option<&str>, encoding: Encoding) -> Range {
    let Some(span) = span_of(finding) else {
        let first = text.and_then(|text| text.lines().next()).unwrap_or_default();
        return position::range(first, 0..first.len(), encoding);
    };
    match (text, &finding.source) {
        (Some(text), _) => position::span(text, span, encoding),
        (None, Some(source)) => position::span_of_source(source, span, encoding),
        (None, None) => {
            let place =
                |line: u32, column: u32| Position { line: line.saturating_sub(1), character: column.saturating_sub(1) };
            Range { start: place(span.line, span.column), end: place(span.end_line, span.end_column) }
        }
    }
}

fn span_of(finding: &Finding) -> Option<Span> {
    let (line, column) = (finding.line?, finding.column.unwrap_or(1));
    let end_line = finding.end_line.unwrap_or(line);
    Some(Span { line, column, end_line, end_column: finding.end_column.unwrap_or(column) })
}

/// A finding as the editor gets it. `root` is the repository's work tree.
pub(super) fn diagnostic(placed: &Placed, root: &Path) -> Diagnostic {
    let finding = &placed.finding;
    let href = finding.url.clone().unwrap_or_else(|| explain::page(&finding.code));
    // Down is wrong about what up has done.
    let other = placed.up.as_ref().filter(|up| finding.path.as_ref() != Some(up));
    let related = other.map(|up| {
        let location = Location { uri: Uri(uri::of_path(&root.join(up))), range: Range::default() };
        vec![DiagnosticRelatedInformation { location, message: "this is the up that it belongs to".to_owned() }]
    });
    Diagnostic {
        range: placed.range,
        severity: Some(match finding.severity {
            Severity::Error => DiagnosticSeverity::Error,
            Severity::Warning => DiagnosticSeverity::Warning,
            Severity::Note => DiagnosticSeverity::Information,
        }),
        code: Some(Code::String(finding.code.clone())),
        code_description: Some(CodeDescription { href: Uri(href) }),
        source: Some(SOURCE.to_owned()),
        message: Message::String(message(finding)),
        tags: None,
        related_information: related,
        data: Some(json!({
            "code": finding.code,
            "sqlstate": finding.sqlstate,
            "table": finding.table,
            "constraint": finding.constraint,
            "columns": finding.columns,
            "detail": finding.detail,
            "help": finding.help,
            "counterexample": finding.counterexample,
        })),
    }
}

/// What is wrong, then what to do, then why: many editors show the first line only.
pub(super) fn message(finding: &Finding) -> String {
    let mut text = finding.message.clone();
    if let Some(sqlstate) = &finding.sqlstate {
        text.push_str(&format!(" (SQLSTATE {sqlstate})"));
    }
    if let Some(help) = &finding.help {
        text.push_str(&format!("\nhelp: {help}"));
    }
    if let Some(detail) = &finding.detail {
        let lines: Vec<&str> = detail.lines().collect();
        match lines.as_slice() {
            [line] => text.push_str(&format!("\ndetail: {line}")),
            lines => listed(&mut text, "detail", lines),
        }
    }
    if let Some(rows) = &finding.counterexample {
        let rows: Vec<&str> = rows.setup.iter().map(String::as_str).collect();
        listed(&mut text, "the schema before accepts these rows", &rows);
    }
    text
}

fn listed(text: &mut String, title: &str, lines: &[&str]) {
    text.push_str(&format!("\n{title}:"));
    for line in lines.iter().take(SHOWN) {
        text.push_str(&format!("\n  {line}"));
    }
    if lines.len() > SHOWN {
        text.push_str(&format!("\n  and {} more", lines.len() - SHOWN));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Counterexample;

    #[test]
    fn a_message_says_what_then_what_to_do_then_why() {
        let mut finding = Finding::new("data.unique", Severity::Error, "two rows are equal").help("merge them");
        finding.sqlstate = Some("23505".to_owned());
        finding.detail = Some("Key (nick)=(ann) is duplicated.".to_owned());
        finding.counterexample = Some(Counterexample {
            setup: vec![
                "INSERT INTO users VALUES (1, 'ann');".to_owned(),
                "INSERT INTO users VALUES (2, 'ann');".to_owned(),
            ],
            fails_with: "two rows are equal".to_owned(),
            recipes: Vec::new(),
        });
        insta::assert_snapshot!(message(&finding), @"
        two rows are equal (SQLSTATE 23505)
        help: merge them
        detail: Key (nick)=(ann) is duplicated.
        the schema before accepts these rows:
          INSERT INTO users VALUES (1, 'ann');
          INSERT INTO users VALUES (2, 'ann');
        ");
    }

    #[test]
    fn a_long_detail_is_cut_and_says_so() {
        let detail: Vec<String> = (0..40).map(|at| format!("line {at}")).collect();
        let finding = Finding::new("revert.schema-mismatch", Severity::Error, "it differs").detail(detail.join("\n"));
        let text = message(&finding);
        assert!(text.ends_with("  line 11\n  and 28 more"), "{text}");
    }

    #[test]
    fn a_finding_about_a_whole_file_is_at_its_first_line() {
        let finding = Finding::new("apply.empty", Severity::Warning, "nothing is in it").in_file("a.sql");
        let range = range_of(&finding, Some("-- é😀\nSELECT 1;\n"), Encoding::Utf16);
        assert_eq!((range.start.line, range.end.line, range.end.character), (0, 0, 6));
    }
}
