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
        let spelt = check.columns.len() == 2
            && check.text.contains("IS NULL")
            && (check.text.contains("IS NOT NULL") || check.text.contains("<>"));
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

fn names(table: &Table, columns: &[i16]) -> Vec<String> {
    columns.iter().filter_map(|number| table.columns.get(number)).map(|column| column.name.clone()).collect()
}
