//! What an audit comes to: whether the history can be taken back, what it made, how long it took, what was found how often.

use std::collections::BTreeMap;

use super::summary::label;
use super::{SEVERITIES, clean, counted, duration};
use crate::verdict::{Finding, MigrationReport, Reversible, Severity, Verdict};

/// Kinds of objects in the order in which they are told; all others follow by name.
const KINDS: [&str; 12] = [
    "schema",
    "extension",
    "table",
    "column",
    "default",
    "primary key",
    "foreign key",
    "check",
    "unique constraint",
    "index",
    "trigger",
    "function",
];

/// The facts of one set, each a name and a text that fits a line, unless it is long itself.
pub(super) fn facts(verdict: &Verdict) -> Vec<(&'static str, String)> {
    let all = &verdict.migrations;
    let mut facts = vec![("reversible", reverts(all))];
    facts.push(("repeatable", repeats(all)));
    let made = made(all);
    if !made.is_empty() {
        facts.push(("created", made));
    }
    facts.extend(times("up", all, |m| m.up_ms));
    facts.extend(times("down", all, |m| m.down_ms));
    let tried: usize = all.iter().filter_map(|migration| migration.rows_tried).sum();
    if tried > 0 {
        let over = all.iter().filter(|migration| migration.rows_tried.is_some_and(|tried| tried > 0)).count();
        facts.push(("rows", format!("{} tried on {}", counted(tried, "set"), counted(over, "migration"))));
    }
    facts
}

/// How many findings there are of each code, the worst and most frequent first.
pub(super) fn codes(verdict: &Verdict) -> Vec<(Severity, &str, usize)> {
    let mut codes: BTreeMap<(Severity, &str), usize> = BTreeMap::new();
    for finding in verdict.findings.iter().filter(|finding| finding.suppressed_by.is_none()) {
        *codes.entry((finding.severity, finding.code.as_str())).or_default() += 1;
    }
    let mut codes: Vec<_> = codes.into_iter().map(|((severity, code), n)| (severity, code, n)).collect();
    codes.sort_by(|a, b| (b.0, b.2, a.1).cmp(&(a.0, a.2, b.1)));
    codes
}

/// Findings of one code, those that say the same of several migrations together, in order.
pub(super) fn alike<'f>(findings: &[&'f Finding], verdict: &Verdict) -> Vec<Vec<&'f Finding>> {
    let mut groups: Vec<(String, Vec<&'f Finding>)> = Vec::new();
    for &finding in findings {
        // A place within a file is worth a line of its own, and so are rows.
        let whole = finding.line.is_none() && finding.counterexample.is_none();
        let said = if whole { what(finding, verdict) } else { String::new() };
        match groups.iter_mut().find(|(own, _)| whole && *own == said) {
            Some((_, group)) => group.push(finding),
            None => groups.push((said, vec![finding])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// What a finding says, but for the migration that it says it of.
fn what(finding: &Finding, verdict: &Verdict) -> String {
    let own = migration_of(finding, verdict).map_or("", |migration| migration.version.as_str());
    let message = if own.is_empty() { finding.message.clone() } else { finding.message.replace(own, "") };
    [Some(&message), finding.detail.as_ref(), finding.help.as_ref()].map(|part| part.map_or("", |p| p)).join("\0")
}

fn migration_of<'v>(finding: &Finding, verdict: &'v Verdict) -> Option<&'v MigrationReport> {
    let path = finding.path.as_deref()?;
    verdict.migrations.iter().find(|m| m.path == path || m.down_path.as_deref() == Some(path))
}

/// The migrations that `findings` are about, as their authors call them; a file's path where it is none of a migration's.
pub(super) fn names(findings: &[&Finding], verdict: &Verdict) -> Vec<String> {
    let name = |finding: &&Finding| {
        let path = || finding.path.clone().unwrap_or_default();
        migration_of(finding, verdict).map_or_else(path, label)
    };
    findings.iter().map(name).collect()
}

/// The findings that concern one migration: `2 errors`, the worst severity alone. Empty when there are none.
pub(super) fn found(migration: &MigrationReport, verdict: &Verdict) -> String {
    let own = |path: &str| path == migration.path || migration.down_path.as_deref() == Some(path);
    let standing = verdict.findings.iter().filter(|finding| finding.suppressed_by.is_none());
    let own: Vec<Severity> =
        standing.filter(|f| f.path.as_deref().is_some_and(own)).map(|finding| finding.severity).collect();
    let count = |severity| own.iter().filter(|other| **other == severity).count();
    let worst = SEVERITIES.into_iter().find(|severity| count(*severity) > 0);
    worst.map(|severity| counted(count(severity), severity.as_str())).unwrap_or_default()
}

/// What up made, by kind: `1 table, 8 columns, 2 indexes`.
pub(super) fn kinds(kinds: &BTreeMap<String, usize>) -> String {
    let rank = |kind: &str| KINDS.iter().position(|known| *known == kind).unwrap_or(KINDS.len());
    let mut kinds: Vec<(&String, &usize)> = kinds.iter().collect();
    kinds.sort_by_key(|(kind, _)| (rank(kind), kind.as_str()));
    kinds.iter().map(|(kind, n)| objects(**n, kind)).collect::<Vec<_>>().join(", ")
}

fn objects(n: usize, kind: &str) -> String {
    let many = match kind {
        "index" => "indexes".to_owned(),
        kind if kind.ends_with("ss") => format!("{kind}es"),
        kind => match kind.strip_suffix("cy").map(|stem| format!("{stem}cies")) {
            Some(many) => many,
            None => kind.strip_suffix("ily").map_or_else(|| format!("{kind}s"), |stem| format!("{stem}ilies")),
        },
    };
    if n == 1 { format!("1 {kind}") } else { format!("{n} {many}") }
}

fn made(all: &[MigrationReport]) -> String {
    let mut sum = BTreeMap::new();
    for (kind, n) in all.iter().flat_map(|migration| &migration.objects.kinds) {
        *sum.entry(kind.clone()).or_default() += n;
    }
    kinds(&sum)
}

fn reverts(all: &[MigrationReport]) -> String {
    use Reversible::{Fails, Mismatch, Missing, No, Yes};
    let count = |wanted| all.iter().filter(|migration| migration.reversible == wanted).count();
    let mut parts = vec![format!("{} of {}", count(Yes), all.len())];
    let rest = [(Mismatch, "leave another schema"), (Fails, "fail"), (Missing, "have no down"), (No, "not tried")];
    let rest = rest.into_iter().map(|(other, said)| (count(other), said)).filter(|(n, _)| *n > 0);
    parts.extend(rest.map(|(n, said)| format!("{n} {said}")));
    parts.join(", ")
}

fn repeats(all: &[MigrationReport]) -> String {
    let count = |wanted| all.iter().filter(|migration| migration.repeatable == wanted).count();
    let mut text = format!("{} of {}", count(Some(true)), all.len());
    if count(Some(false)) > 0 {
        text.push_str(&format!(", {} not", count(Some(false))));
    }
    if count(None) > 0 {
        text.push_str(&format!(", {} not tried", count(None)));
    }
    text
}

/// `2.3 s in all, 4.1 ms median, 145 ms at most (20240927_big)`
fn times(
    word: &'static str,
    all: &[MigrationReport],
    of: impl Fn(&MigrationReport) -> Option<f64>,
) -> Option<(&'static str, String)> {
    let mut times: Vec<(f64, &MigrationReport)> = all.iter().filter_map(|m| Some((of(m)?, m))).collect();
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (most, slowest) = times.last()?;
    let sum: f64 = times.iter().map(|(ms, _)| ms).sum();
    let middle = (times[(times.len() - 1) / 2].0 + times[times.len() / 2].0) / 2.0;
    let slowest = clean::line(&label(slowest), true);
    let all = format!("{} in all, {} median, ", duration(sum), duration(middle));
    Some((word, format!("{all}{} at most ({slowest})", duration(*most))))
}
