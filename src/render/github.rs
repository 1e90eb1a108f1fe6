//! GitHub's workflow commands: annotations beside the changed lines, then the summary in the log.
//!
//! The runner reads commands from anything a step prints, so that no foreign text may start a line here.

use super::{Terminal, clean, reasons, standing, summary};
use crate::verdict::{Finding, Report, Severity};

/// A command for each finding, then a line for each set.
pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    for (_, finding) in standing(report) {
        out.push_str(&command(finding));
        out.push('\n');
    }
    for verdict in &report.verdicts {
        // `##[` starts a command of the old kind, wherever it stands in a line.
        out.push_str(&summary::line(verdict, &Terminal::PLAIN).replace("##[", "# #["));
        out.push('\n');
    }
    out
}

/// `::error file=…,line=…,title=…::message`
fn command(finding: &Finding) -> String {
    let word = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let mut properties = Vec::new();
    if let Some(path) = &finding.path {
        properties.push(format!("file={}", property(path)));
        if let Some(line) = finding.line {
            let end_line = finding.end_line.unwrap_or(line);
            properties.push(format!("line={line},endLine={end_line}"));
            // GitHub refuses columns of places of several lines.
            if let (true, Some(column)) = (line == end_line, finding.column) {
                properties.push(format!("col={column},endColumn={}", finding.end_column.unwrap_or(column)));
            }
        }
    }
    properties.push(format!("title={}", property(&finding.code)));
    let mut text = vec![finding.message.clone()];
    text.extend(reasons(finding));
    format!("::{word} {}::{}", properties.join(","), data(&clean::block(&text.join("\n"), true)))
}

/// A command's message.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of one of its properties.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
