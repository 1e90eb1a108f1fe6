//! The audit of a history: a line for each migration, with what it did and whether it can be taken back.

use super::summary::{label, reversible};
use super::{Terminal, clean, duration};
use crate::verdict::{MigrationReport, Verdict};

/// The names of the columns after the migration's own.
const HEADS: [&str; 5] = ["up", "down", "objects", "reversible", "repeatable"];

/// The table of one set, for a terminal. Empty when nothing was judged.
pub(super) fn text(verdict: &Verdict, terminal: &Terminal) -> String {
    if verdict.migrations.is_empty() {
        return String::new();
    }
    let rows: Vec<(String, [String; 5])> =
        verdict.migrations.iter().map(|m| (clean::line(&label(m), terminal.unicode), cells(m))).collect();
    let widths: Vec<usize> = (0..HEADS.len())
        .map(|at| rows.iter().map(|(_, cells)| cells[at].chars().count()).chain([HEADS[at].len()]).max().unwrap_or(0))
        .collect();
    let rest: usize = widths.iter().map(|width| width + 2).sum();
    let name = rows.iter().map(|(name, _)| name.chars().count()).chain(["migration".len()]).max().unwrap_or(0);
    let name = name.min(terminal.columns().saturating_sub(rest).max(16));
    let mut out = line("migration", &HEADS.map(str::to_owned), name, &widths, terminal);
    for (label, cells) in &rows {
        out.push_str(&line(label, cells, name, &widths, terminal));
    }
    out.push('\n');
    out
}

fn line(label: &str, cells: &[String; 5], name: usize, widths: &[usize], terminal: &Terminal) -> String {
    let length = label.chars().count();
    let label: String = match length > name {
        true => {
            let ellipsis = terminal.ellipsis();
            let kept = name.saturating_sub(ellipsis.chars().count());
            label.chars().take(kept).chain(ellipsis.chars()).collect()
        }
        false => label.to_owned(),
    };
    let mut out = format!("{label:<name$}");
    for (at, (cell, width)) in cells.iter().zip(widths).enumerate() {
        // Durations are numbers, and stand to the right.
        out.push_str(&if at < 2 { format!("  {cell:>width$}") } else { format!("  {cell:<width$}") });
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn cells(migration: &MigrationReport) -> [String; 5] {
    let time = |ms: Option<f64>| ms.map(duration).unwrap_or_else(|| "-".to_owned());
    [
        time(migration.up_ms),
        time(migration.down_ms),
        objects(migration),
        reversible(migration.reversible).to_owned(),
        repeatable(migration).to_owned(),
    ]
}

/// Objects made, changed and dropped: `+3 ~1 -2`.
pub(super) fn objects(migration: &MigrationReport) -> String {
    let objects = &migration.objects;
    let parts = [('+', objects.created_count), ('~', objects.changed_count), ('-', objects.dropped_count)];
    let parts: Vec<String> =
        parts.iter().filter(|(_, count)| *count > 0).map(|(sign, count)| format!("{sign}{count}")).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(" ") }
}

/// Whether up can be applied again after down.
pub(super) fn repeatable(migration: &MigrationReport) -> &'static str {
    match migration.repeatable {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not tried",
    }
}
