//! The line that closes a verdict, alike in text and wherever one line has to do.

use anstyle::{AnsiColor, Style};

use super::{SEVERITIES, Terminal, clean, counted, duration};
use crate::verdict::{Change, MigrationReport, Outcome, Report, Reversible, Severity, Verdict};

/// One line about one set, without a line feed.
pub(super) fn line(verdict: &Verdict, terminal: &Terminal) -> String {
    let mut parts = vec![outcome(verdict.outcome, terminal)];
    match verdict.outcome {
        Outcome::Error => parts.push("could not judge".to_owned()),
        _ => parts.extend(counts(verdict)),
    }
    parts.extend(migrations(verdict, terminal));
    let tried: usize = verdict.migrations.iter().filter_map(|migration| migration.rows_tried).sum();
    let left_out: usize = verdict.migrations.iter().filter_map(|migration| migration.rows_left_out).sum();
    if tried + left_out > 0 {
        let rest = if left_out > 0 { format!(", no time for {left_out} more") } else { String::new() };
        parts.push(format!("{} of rows tried{rest}", counted(tried, "set")));
    }
    parts.push(elapsed(verdict));
    parts.extend(server(verdict));
    let set = clean::line(&verdict.set, terminal.unicode);
    let head = if set.is_empty() { "migd: ".to_owned() } else { format!("migd: {set}: ") };
    head + &parts.join(terminal.dot())
}

/// The line for a request that touches no set.
pub(super) fn nothing(report: &Report, terminal: &Terminal) -> String {
    let parts = [outcome(report.outcome, terminal), "no migration to judge".to_owned(), duration(report.elapsed_ms)];
    format!("migd: {}", parts.join(terminal.dot()))
}

fn outcome(outcome: Outcome, terminal: &Terminal) -> String {
    let color = match outcome {
        Outcome::Pass => AnsiColor::BrightGreen,
        Outcome::Warn => AnsiColor::Yellow,
        Outcome::Fail | Outcome::Error => AnsiColor::BrightRed,
    };
    paint(outcome.as_str(), color.on_default().bold(), terminal)
}

/// How a severity is coloured.
pub(super) fn color(severity: Severity) -> Style {
    let color = match severity {
        Severity::Error => AnsiColor::BrightRed,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Note => AnsiColor::BrightGreen,
    };
    color.on_default().bold()
}

/// `text` in `style` where the terminal has colours.
pub(super) fn paint(text: &str, style: Style, terminal: &Terminal) -> String {
    if terminal.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
}

fn counts(verdict: &Verdict) -> Option<String> {
    let mut words: Vec<String> = SEVERITIES
        .into_iter()
        .map(|severity| (severity, verdict.count(severity)))
        .filter(|(_, n)| *n > 0)
        .map(|(severity, n)| counted(n, severity.as_str()))
        .collect();
    // A pass says no more than this line, so that it names what its notes are.
    if verdict.outcome == Outcome::Pass && !words.is_empty() {
        let notes = verdict.findings.iter().filter(|f| f.suppressed_by.is_none() && f.severity == Severity::Note);
        let mut codes: Vec<&str> = notes.map(|f| f.code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        words.push(format!("({})", codes.join(", ")));
        words = vec![words.join(" ")];
    }
    let accepted = verdict.findings.iter().filter(|f| f.suppressed_by.is_some()).count();
    if accepted > 0 {
        words.push(format!("{accepted} accepted"));
    }
    (!words.is_empty()).then(|| words.join(", "))
}

fn migrations(verdict: &Verdict, terminal: &Terminal) -> Vec<String> {
    let all = &verdict.migrations;
    let changed: Vec<&MigrationReport> = all.iter().filter(|m| m.change != Change::Unchanged).collect();
    // `--all` judges what did not change.
    let judged = if changed.is_empty() { all.iter().collect() } else { changed };
    let name = match judged.as_slice() {
        [] => return Vec::new(),
        [one] => clean::line(&label(one), terminal.unicode),
        several => counted(several.len(), "migration"),
    };
    let sum = |times: Vec<f64>| (!times.is_empty()).then(|| duration(times.iter().sum()));
    let again = verdict.timings.iter().filter(|timing| timing.step == "up again");
    let times: Vec<String> = [
        ("up", sum(judged.iter().filter_map(|m| m.up_ms).collect())),
        ("down", sum(judged.iter().filter_map(|m| m.down_ms).collect())),
        ("up again", sum(again.map(|timing| timing.ms).collect())),
    ]
    .into_iter()
    .filter_map(|(word, time)| Some(format!("{word} {}", time?)))
    .collect();
    let mut parts = vec![name];
    if !times.is_empty() {
        parts.push(times.join(", "));
    }
    parts
}

/// A migration as its author calls it.
pub(super) fn label(migration: &MigrationReport) -> String {
    match (migration.version.as_str(), migration.name.as_str()) {
        (version, "") => version.to_owned(),
        ("", name) => name.to_owned(),
        // Of a folder, a repeatable one or a runner that records files, the whole name is the version.
        (version, name) if is_told(version, name) => version.to_owned(),
        (version, name) => format!("{version}_{name}"),
    }
}

/// Whether a version ends with the migration's name.
fn is_told(version: &str, name: &str) -> bool {
    let before = version.strip_suffix(".sql").unwrap_or(version).strip_suffix(name);
    name.contains(char::is_alphabetic)
        && before.is_some_and(|before| before.is_empty() || before.ends_with(['_', '-', '.']))
}

/// What a table says of a migration's down.
pub(super) fn reversible(reversible: Reversible) -> &'static str {
    match reversible {
        Reversible::Yes => "yes",
        Reversible::No => "not tried",
        Reversible::Missing => "no down",
        Reversible::Mismatch => "leaves another schema",
        Reversible::Fails => "down fails",
    }
}

fn elapsed(verdict: &Verdict) -> String {
    let time = duration(verdict.elapsed_ms);
    if verdict.cached { format!("{time} (cached)") } else { time }
}

/// `PostgreSQL 17.5 (container)`; none when there was no server.
pub(super) fn server(verdict: &Verdict) -> Option<String> {
    if verdict.postgres.is_empty() {
        return None;
    }
    let engine = if verdict.engine.is_empty() { String::new() } else { format!(" ({})", verdict.engine) };
    Some(clean::line(&format!("PostgreSQL {}{engine}", verdict.postgres), true))
}
