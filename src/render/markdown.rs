//! Markdown: tables and fenced source, for a comment on a merge request or a job's summary.

use super::{SEVERITIES, audit, clean, counted, duration, outcome_of_rows, summary, table, with_semicolon};
use crate::verdict::{Finding, Mode, Outcome, Report, Severity, Verdict};

/// Characters that are shown of one line.
const LINE: usize = 400;

/// Findings of an audit that are each shown in full.
const AUDITED: usize = 12;
/// Findings that are listed of one code.
const PLACES: usize = 50;

/// A section for each set.
pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    if report.verdicts.is_empty() {
        out.push_str(&format!("**migd: {}**: no migration to judge\n", report.outcome.as_str()));
    }
    for (n, verdict) in report.verdicts.iter().enumerate() {
        if n > 0 {
            out.push('\n');
        }
        section(verdict, &mut out);
    }
    out
}

fn section(verdict: &Verdict, out: &mut String) {
    let mark = match verdict.outcome {
        Outcome::Pass => "✅",
        Outcome::Warn => "⚠️",
        Outcome::Fail => "❌",
        Outcome::Error => "💥",
    };
    let set = if verdict.set.is_empty() { String::new() } else { format!(": {}", code_span(&verdict.set)) };
    out.push_str(&format!("### {mark} migd{set}: {}\n\n", verdict.outcome.as_str()));
    let mut facts: Vec<String> = SEVERITIES
        .into_iter()
        .filter(|severity| verdict.count(*severity) > 0)
        .map(|severity| counted(verdict.count(severity), severity.as_str()))
        .collect();
    facts.push(duration(verdict.elapsed_ms));
    facts.extend(summary::server(verdict).map(|server| escaped(&server)));
    out.push_str(&format!("{}\n", facts.join(" · ")));
    if verdict.mode == Mode::All && !verdict.migrations.is_empty() {
        audited(verdict, out);
    } else if !verdict.migrations.is_empty() {
        let heads = ["migration", "change", "up", "down", "objects", "reversible", "repeatable"];
        out.push_str(&format!("\n| {} |\n| --- | --- | ---: | ---: | --- | --- | --- |\n", heads.join(" | ")));
        let time = |ms: Option<f64>| ms.map(duration).unwrap_or_default();
        for migration in &verdict.migrations {
            let change = format!("{:?}", migration.change).to_lowercase();
            let name = code_span(&summary::label(migration)).replace('|', "\\|");
            let reversible = summary::reversible(migration.reversible);
            let (objects, repeatable) = (table::objects(migration), table::repeatable(migration));
            let (up, down) = (time(migration.up_ms), time(migration.down_ms));
            out.push_str(&format!("| {name} | {change} | {up} | {down} | {objects} | {reversible} | {repeatable} |\n"));
        }
    }
    let standing: Vec<&Finding> = verdict.findings.iter().filter(|f| f.suppressed_by.is_none()).collect();
    if verdict.mode == Mode::All && standing.len() > AUDITED {
        by_code(verdict, &standing, out);
    } else {
        standing.iter().for_each(|finding| one(finding, out));
    }
    let accepted: Vec<&Finding> = verdict.findings.iter().filter(|f| f.suppressed_by.is_some()).collect();
    if !accepted.is_empty() {
        out.push_str("\nAccepted:\n\n");
        for finding in accepted {
            let by = code_span(finding.suppressed_by.as_deref().unwrap_or_default());
            out.push_str(&format!("- {} by {by}\n", code_span(&finding.code)));
        }
    }
}

/// What an audit comes to, then a line for each migration.
fn audited(verdict: &Verdict, out: &mut String) {
    out.push_str("\n| | |\n| --- | --- |\n");
    for (name, text) in audit::facts(verdict) {
        out.push_str(&format!("| {name} | {} |\n", escaped(&text)));
    }
    let heads = ["migration", "up", "down", "created, changed, dropped", "reversible", "repeatable", "found"];
    out.push_str(&format!("\n| {} |\n| --- | ---: | ---: | --- | --- | --- | --- |\n", heads.join(" | ")));
    let time = |ms: Option<f64>| ms.map(duration).unwrap_or_default();
    for migration in &verdict.migrations {
        let name = code_span(&summary::label(migration)).replace('|', "\\|");
        let (reversible, repeatable) = (summary::reversible(migration.reversible), table::repeatable(migration));
        let (up, down, objects) =
            (time(migration.up_ms), time(migration.down_ms), escaped(&table::in_words(migration)));
        let found = audit::found(migration, verdict);
        out.push_str(&format!("| {name} | {up} | {down} | {objects} | {reversible} | {repeatable} | {found} |\n"));
    }
}

/// A section for each code, folded: a first finding in full, the others as a list.
fn by_code(verdict: &Verdict, standing: &[&Finding], out: &mut String) {
    for (severity, code, n) in audit::codes(verdict) {
        out.push_str(&format!("\n<details><summary>{} {code}</summary>\n", counted(n, severity.as_str())));
        let all: Vec<&Finding> =
            standing.iter().copied().filter(|f| f.severity == severity && f.code == code).collect();
        let groups = audit::alike(&all, verdict);
        let Some((first, others)) = groups.split_first() else { continue };
        first.iter().take(1).for_each(|finding| one(finding, out));
        let same = likewise(&first[1..], verdict);
        if !same.is_empty() {
            out.push_str(&format!("\n{same}\n"));
        }
        if !others.is_empty() {
            out.push('\n');
        }
        for group in others.iter().take(PLACES) {
            let Some(finding) = group.first() else { continue };
            let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
            let place = code_span(&format!("{}{line}", finding.path.as_deref().unwrap_or_default()));
            // Where every message is the same, the reason tells them apart.
            let reason = finding.detail.as_deref().and_then(|detail| detail.lines().next());
            let reason =
                reason.filter(|_| finding.line.is_none()).map(|reason| format!(": {reason}")).unwrap_or_default();
            out.push_str(&format!("- {place}: {}\n", escaped(&shortened(&format!("{}{reason}", finding.message)))));
            let same = likewise(&group[1..], verdict);
            if !same.is_empty() {
                out.push_str(&format!("  {same}\n"));
            }
        }
        let more: usize = others.iter().skip(PLACES).map(Vec::len).sum();
        if more > 0 {
            out.push_str(&format!("- and {more} more\n"));
        }
        out.push_str("\n</details>\n");
    }
}

/// The migrations of which the same is said.
fn likewise(findings: &[&Finding], verdict: &Verdict) -> String {
    let names: Vec<String> = audit::names(findings, verdict).iter().map(|name| code_span(name)).collect();
    if names.is_empty() { String::new() } else { format!("The same of {} more: {}", names.len(), names.join(", ")) }
}

fn one(finding: &Finding, out: &mut String) {
    let word = match finding.severity {
        Severity::Error => "Error",
        Severity::Warning => "Warning",
        Severity::Note => "Note",
    };
    out.push_str(&format!("\n**{word}** {}: {}\n", code_span(&finding.code), escaped(&finding.message)));
    if let Some(path) = &finding.path {
        let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
        out.push_str(&format!("\n{}\n", code_span(&format!("{path}{line}"))));
    }
    if let Some(source) = &finding.source {
        out.push_str(&fenced(source, "sql"));
    }
    if let Some(sqlstate) = &finding.sqlstate {
        out.push_str(&format!("\nSQLSTATE {}\n", code_span(sqlstate)));
    }
    if let Some(detail) = &finding.detail {
        out.push_str(&fenced(detail, "text"));
    }
    if let Some(example) = &finding.counterexample {
        out.push_str(&format!("\nThe schema before accepts these rows, and {}:\n", outcome_of_rows(finding)));
        let rows: Vec<String> = example.setup.iter().map(|row| with_semicolon(row)).collect();
        out.push_str(&fenced(&rows.join("\n"), "sql"));
        out.push_str(&fenced(&example.fails_with, "text"));
    }
    if let Some(help) = &finding.help {
        advice(help, out);
    }
}

/// The way out: indented lines are statements, the others text with code in backticks.
fn advice(help: &str, out: &mut String) {
    let lines: Vec<&str> = help.lines().filter(|line| !line.trim().is_empty()).collect();
    let is_statement = |line: &&str| line.starts_with("  ");
    for lines in lines.chunk_by(|a, b| is_statement(a) == is_statement(b)) {
        if lines.iter().all(is_statement) {
            let statements: Vec<&str> = lines.iter().map(|line| line.trim_start()).collect();
            out.push_str(&fenced(&statements.join("\n"), "sql"));
        } else {
            out.push_str(&format!("\n{}\n", with_code(&lines.join(" "))));
        }
    }
}

/// Text of migd's own, in which what stands between backticks is code.
fn with_code(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // A last one that is not closed is no code.
    let closed = parts.len() % 2 == 1;
    let part = |(at, part): (usize, &&str)| match at % 2 == 1 && (closed || at + 1 < parts.len()) {
        true => code_span(part),
        // Spaces at the ends of a part are those of the sentence.
        false => {
            let inner = escaped(part);
            let (start, end) = (part.starts_with(' '), part.len() > 1 && part.ends_with(' '));
            format!("{}{inner}{}", if start { " " } else { "" }, if end { " " } else { "" })
        }
    };
    parts.iter().enumerate().map(part).collect()
}

/// Foreign text among Markdown: nothing in it is markup, a link, a mention or an image.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in clean::line(text, true).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '!' | '~' | '>' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// Foreign text as code in a line, with as many backticks around as it needs.
fn code_span(text: &str) -> String {
    let text = clean::line(text, true);
    let ticks = "`".repeat(longest_run(&text) + 1);
    let space = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{ticks}{space}{text}{space}{ticks}")
}

/// Foreign text as a block of code, with a fence that it cannot close.
fn fenced(text: &str, language: &str) -> String {
    let text = clean::block(&shortened(text), true);
    let fence = "`".repeat(longest_run(&text).max(2) + 1);
    format!("\n{fence}{language}\n{text}\n{fence}\n")
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// The first and last lines of a long text, and the start of long lines: a comment on a merge request has an end.
fn shortened(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let shown = match lines.len() {
        0..=40 => lines,
        all => [&lines[..30], &["…"], &lines[all - 5..]].concat(),
    };
    let cut = shown.into_iter().map(|line| match line.char_indices().nth(LINE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    });
    cut.collect::<Vec<_>>().join("\n")
}
