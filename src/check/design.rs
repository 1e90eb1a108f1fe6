//! Constraints and indexes that are missing: `design.*`.

use super::{Check, Subject, at};
use crate::rows::Schema;
use crate::rows::schema::Table;
use crate::verdict::Finding;

/// What new constraints want beside them.
pub(super) struct Design;

impl Check for Design {
    fn migration(&self, subject: &Subject<'_>) -> Vec<Finding> {
        let Some((before, after)) = subject.schemas else { return Vec::new() };
        let mut findings = Vec::new();
        for table in &after.tables {
            keys(subject, before, table, &mut findings);
            arcs(subject, before, table, &mut findings);
        }
        findings
    }
}

/// New foreign keys whose columns no index begins with.
fn keys(subject: &Subject<'_>, before: &Schema, table: &Table, findings: &mut Vec<Finding>) {
    let old = before.get(table.oid);
    let code = "design.foreign-key-without-index";
    for key in &table.foreign {
        let known = old.is_some_and(|old| old.foreign.iter().any(|other| other.name == key.name));
        let led = table.led.iter().any(|index| {
            index.len() >= key.columns.len()
                && index[..key.columns.len()].iter().all(|column| key.columns.contains(column))
        });
        if known || led {
            continue;
        }
        let names = names(table, &key.columns);
        let message = format!("no index begins with {}, the columns of foreign key {}", names.join(", "), key.name);
        let mut finding = at(&subject.migration.up, None, code, message)
            .detail("every DELETE of a parent, and every UPDATE of its key, reads the whole table")
            .help(format!("CREATE INDEX ON {} ({})", table.name, names.join(", ")));
        finding.table = Some(table.name.clone());
        finding.constraint = Some(key.name.clone());
        findings.push(finding);
    }
}

/// New exclusive arcs: exactly one of several columns is set, and nothing says that it is set once.
fn arcs(subject: &Subject<'_>, before: &Schema, table: &Table, findings: &mut Vec<Finding>) {
    let old = before.get(table.oid);
    for check in &table.checks {
        let known = old.is_some_and(|old| old.checks.iter().any(|other| other.text == check.text));
        let counted = check.text.contains("num_nonnulls(") && check.text.contains("= 1");
        let spelt = check.columns.len() == 2 && is_either(&names(table, &check.columns), &check.text);
        if known || !(counted || spelt) || check.columns.len() < 2 {
            continue;
        }
        let bare: Vec<i16> = check
            .columns
            .iter()
            .copied()
            .filter(|column| !table.unique.iter().any(|unique| unique.columns == [*column]))
            .collect();
        if bare.is_empty() {
            continue;
        }
        let names = names(table, &bare);
        let message = format!("the exclusive arc {} has no unique index on {}", check.name, names.join(", "));
        let index = |name: &String| format!("CREATE UNIQUE INDEX ON {} ({name}) WHERE {name} IS NOT NULL", table.name);
        let mut finding = at(&subject.migration.up, None, "design.exclusive-arc", message)
            .detail("a CHECK sees one row: two rows may have the same parent")
            .help(format!("if there may be only one: {}", names.iter().map(index).collect::<Vec<_>>().join("; ")));
        finding.table = Some(table.name.clone());
        finding.constraint = Some(check.name.clone());
        findings.push(finding);
    }
}

/// Whether a condition takes one of two columns and never both. What it asks of their values is taken to be so.
fn is_either(columns: &[String], text: &str) -> bool {
    let [one, other] = columns else { return false };
    let takes = |first: bool, second: bool| {
        holds(text, &|name| match name {
            _ if name == one => Some(first),
            _ if name == other => Some(second),
            _ => None,
        })
    };
    takes(true, false) && takes(false, true) && !takes(true, true)
}

/// A condition, as PostgreSQL writes it, where `set` says which columns have a value.
fn holds(text: &str, set: &dyn Fn(&str) -> Option<bool>) -> bool {
    let mut text = text.trim();
    while let Some(inner) = inside(text) {
        text = inner.trim();
    }
    for (word, any) in [(" OR ", true), (" AND ", false)] {
        let parts = apart(text, word);
        if parts.len() > 1 {
            let mut parts = parts.into_iter();
            return if any { parts.any(|part| holds(part, set)) } else { parts.all(|part| holds(part, set)) };
        }
    }
    if let Some(rest) = text.strip_prefix("NOT ") {
        return !holds(rest, set);
    }
    for (sign, equal) in [(" <> ", false), (" = ", true)] {
        if let [left, right] = apart(text, sign).as_slice()
            && left.contains(" IS ")
            && right.contains(" IS ")
        {
            return (holds(left, set) == holds(right, set)) == equal;
        }
    }
    let is = |end: &str, wanted: bool| set(text.strip_suffix(end)?).map(|is| is == wanted);
    is(" IS NOT NULL", true).or_else(|| is(" IS NULL", false)).unwrap_or(true)
}

/// What one pair of parentheses holds, if it holds all.
fn inside(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('(')?.strip_suffix(')')?;
    let mut depth = 0_i32;
    let closed = inner.bytes().any(|byte| {
        depth += i32::from(byte == b'(') - i32::from(byte == b')');
        depth < 0
    });
    (!closed).then_some(inner)
}

/// The parts of `text` between `word`, where no parenthesis is open.
fn apart<'t>(text: &'t str, word: &str) -> Vec<&'t str> {
    let (mut depth, mut start, mut parts) = (0_i32, 0, Vec::new());
    for (at, c) in text.char_indices() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if depth == 0 && at >= start && text[at..].starts_with(word) {
            parts.push(&text[start..at]);
            start = at + word.len();
        }
    }
    parts.push(&text[start..]);
    parts
}

fn names(table: &Table, columns: &[i16]) -> Vec<String> {
    columns.iter().filter_map(|number| table.columns.get(number)).map(|column| column.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arc_takes_one_of_two_and_never_both() {
        let is = |text: &str| is_either(&["a".to_owned(), "b".to_owned()], text);
        assert!(is("((a IS NULL) <> (b IS NULL))"));
        assert!(is("((a IS NOT NULL) = (b IS NULL))"));
        assert!(is("(((a IS NOT NULL) AND (b IS NULL)) OR ((a IS NULL) AND (b IS NOT NULL)))"));
        assert!(is(
            "(((a IS NOT NULL) AND ((a)::text <> ''::text) AND (b IS NULL)) OR ((a IS NULL) AND (b IS NOT NULL)))"
        ));
        assert!(is("(NOT ((a IS NOT NULL) AND (b IS NOT NULL)))"));
        assert!(!is(
            "(((a IS NULL) AND (b IS NULL)) OR ((a IS NOT NULL) AND ((a)::text <> ''::text) AND (b IS NOT NULL)))"
        ));
        assert!(!is("((a IS NULL) = (b IS NULL))"));
        assert!(!is("((a IS NOT NULL) OR (b IS NOT NULL))"));
        assert!(!is("((a IS NULL) OR (b > 0))"));
        assert!(!is("(a <> b)"));
    }
}
