//! The audit of a history: a line for each migration, with what it did and whether it can be taken back, and what all of
//! them come to.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::summary::{self, label, paint};
use super::{Terminal, audit, clean, duration};
use crate::verdict::{MigrationReport, Reversible, Verdict};

/// The columns after the migration's own.
const COLUMNS: usize = 6;
/// The fewest characters of a name that tell migrations apart: a time, and the words after it.
const NAME: usize = 30;
/// Characters of what was made that are shown of one migration.
const KINDS: usize = 56;

/// How much the table says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wording {
    /// What was made, by kind.
    Long,
    /// The number of objects.
    Short,
    /// That, and one word for each answer.
    Terse,
}

/// The table of one set, for a terminal. Empty when nothing was judged.
pub(super) fn text(verdict: &Verdict, terminal: &Terminal) -> String {
    if verdict.migrations.is_empty() {
        return String::new();
    }
    let names: Vec<String> = verdict.migrations.iter().map(|m| clean::line(&label(m), terminal.unicode)).collect();
    let longest = names.iter().map(|name| name.width()).chain(["migration".len()]).max().unwrap_or(0);
    // As much as leaves room for the names; for their beginnings where nothing does.
    let all = [(Wording::Long, longest), (Wording::Short, longest.min(2 * NAME)), (Wording::Terse, 0)];
    let fitting = all.into_iter().find_map(|(wording, name)| {
        let rows: Vec<[String; COLUMNS]> =
            verdict.migrations.iter().map(|migration| cells(migration, verdict, wording, terminal)).collect();
        let widths = widths(&heads(wording), &rows);
        let rest: usize = widths.iter().filter(|width| **width > 0).map(|width| width + 2).sum();
        let room = terminal.columns().saturating_sub(rest);
        (room >= name).then(|| (wording, rows, widths, longest.min(room.max(16))))
    });
    let Some((wording, rows, widths, name)) = fitting else { return String::new() };
    let mut out = line("migration", &heads(wording).map(str::to_owned), name, &widths, terminal);
    for (label, cells) in names.iter().zip(&rows) {
        out.push_str(&line(label, cells, name, &widths, terminal));
    }
    out.push('\n');
    out.push_str(&totals(verdict, terminal));
    out
}

fn heads(wording: Wording) -> [&'static str; COLUMNS] {
    match wording {
        Wording::Long => ["up", "down", "created, changed, dropped", "reversible", "repeatable", "found"],
        Wording::Short => ["up", "down", "objects", "reversible", "repeatable", "found"],
        Wording::Terse => ["up", "down", "objects", "reverts", "again", "found"],
    }
}

/// How wide each column is; 0 for one that says nothing.
fn widths(heads: &[&str; COLUMNS], rows: &[[String; COLUMNS]]) -> [usize; COLUMNS] {
    std::array::from_fn(|at| {
        let widest = rows.iter().map(|cells| cells[at].width()).max().unwrap_or(0);
        if widest == 0 { 0 } else { widest.max(heads[at].len()) }
    })
}

/// What all of it comes to, and how often what was found.
fn totals(verdict: &Verdict, terminal: &Terminal) -> String {
    let facts = audit::facts(verdict);
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for (name, text) in facts {
        let indent = " ".repeat(width + 2);
        let options = textwrap::Options::new(terminal.columns().max(width + 32)).subsequent_indent(&indent);
        let options = options.break_words(false).word_splitter(textwrap::WordSplitter::NoHyphenation);
        out.push_str(&textwrap::fill(&format!("{name:<width$}  {text}"), options));
        out.push('\n');
    }
    let codes = audit::codes(verdict);
    if !codes.is_empty() {
        out.push('\n');
    }
    let digits = codes.iter().map(|(_, _, n)| n.to_string().len()).max().unwrap_or(0);
    for (severity, code, n) in codes {
        let word = paint(&format!("{:<7}", severity.as_str()), summary::color(severity), terminal);
        out.push_str(&format!("{n:>digits$}  {word}  {}\n", clean::line(code, terminal.unicode)));
    }
    out.push('\n');
    out
}

fn line(label: &str, cells: &[String; COLUMNS], name: usize, widths: &[usize], terminal: &Terminal) -> String {
    let label = cut(label, name, terminal);
    let mut out = format!("{label}{}", " ".repeat(name.saturating_sub(label.width())));
    for (at, (cell, width)) in cells.iter().zip(widths).enumerate().filter(|(_, (_, width))| **width > 0) {
        let pad = " ".repeat(width.saturating_sub(cell.width()));
        // Durations are numbers, and stand to the right.
        out.push_str(&if at < 2 { format!("  {pad}{cell}") } else { format!("  {cell}{pad}") });
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// As much of a text as `columns` take, with the sign that there is more.
pub(super) fn cut(text: &str, columns: usize, terminal: &Terminal) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut left = columns.saturating_sub(terminal.ellipsis().width());
    let mut out = String::new();
    for c in text.chars() {
        let Some(rest) = left.checked_sub(c.width().unwrap_or(0)) else { break };
        left = rest;
        out.push(c);
    }
    out.push_str(terminal.ellipsis());
    out
}

fn cells(migration: &MigrationReport, verdict: &Verdict, wording: Wording, terminal: &Terminal) -> [String; COLUMNS] {
    let time = |ms: Option<f64>| ms.map(duration).unwrap_or_else(|| "-".to_owned());
    let terse = wording == Wording::Terse;
    let reverts = match migration.reversible {
        Reversible::Mismatch if terse => "differs",
        Reversible::Fails if terse => "fails",
        Reversible::No if terse => "-",
        other => summary::reversible(other),
    };
    let again = match repeatable(migration) {
        "not tried" if terse => "-",
        said => said,
    };
    let objects = match wording {
        Wording::Long => cut(&in_words(migration), KINDS, terminal),
        _ => objects(migration),
    };
    let found = audit::found(migration, verdict);
    [time(migration.up_ms), time(migration.down_ms), objects, reverts.to_owned(), again.to_owned(), found]
}

/// Objects made, changed and dropped: `+3 ~1 -2`.
pub(super) fn objects(migration: &MigrationReport) -> String {
    let objects = &migration.objects;
    let parts = [('+', objects.created_count), ('~', objects.changed_count), ('-', objects.dropped_count)];
    let parts: Vec<String> =
        parts.iter().filter(|(_, count)| *count > 0).map(|(sign, count)| format!("{sign}{count}")).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(" ") }
}

/// The same with what was made by kind: `1 table, 8 columns, 2 indexes, ~1`.
pub(super) fn in_words(migration: &MigrationReport) -> String {
    let objects = &migration.objects;
    if objects.kinds.is_empty() {
        return self::objects(migration);
    }
    let rest = [('~', objects.changed_count), ('-', objects.dropped_count)];
    let rest = rest.iter().filter(|(_, count)| *count > 0).map(|(sign, count)| format!("{sign}{count}"));
    std::iter::once(audit::kinds(&objects.kinds)).chain(rest).collect::<Vec<_>>().join(", ")
}

/// Whether up can be applied again after down.
pub(super) fn repeatable(migration: &MigrationReport) -> &'static str {
    match migration.repeatable {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not tried",
    }
}
