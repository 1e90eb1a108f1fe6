//! What there is after a migration that was not there before, counted by kind, with what came with a parent: a table's
//! columns, keys and defaults.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::object::Object;
use super::snapshot::Snapshot;

/// The objects of `after` that `before` has neither by name nor under another name, counted by kind: `table`, `column`,
/// `default`, `primary key`, `foreign key`, `check`, `index`, `trigger`, … What a constraint or an identity makes by itself,
/// its index, its sequence, is not counted.
pub fn created(before: &Snapshot, after: &Snapshot) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for (unit, entry) in &after.0.units {
        let old = before.0.units.get(unit).filter(|_| before.related(after));
        if old.is_some_and(|old| Arc::ptr_eq(&old.objects, &entry.objects)) {
            continue;
        }
        let known: HashSet<(&str, i32)> =
            old.iter().flat_map(|old| old.objects.iter()).map(|object| (&*object.kind, object.slot)).collect();
        for object in entry.objects.iter().filter(|object| !known.contains(&(&*object.kind, object.slot))) {
            if let Some(kind) = kind(object) {
                *tally.entry(kind.to_owned()).or_default() += 1;
            }
            if object.attributes().any(|(name, _)| name == "default") && &*object.kind == "column" {
                *tally.entry("default".to_owned()).or_default() += 1;
            }
        }
    }
    tally
}

/// What it is counted as; none for what something else brings along.
fn kind(object: &Object) -> Option<&str> {
    let of = |kind: &str| object.parents().any(|parent| parent.starts_with(kind));
    match &*object.kind {
        "index" if of("constraint ") => None,
        "sequence" if of("column ") => None,
        "constraint" => {
            let definition = object.attributes().find(|(name, _)| *name == "definition").map_or("", |(_, text)| text);
            let kinds = [
                ("PRIMARY KEY", "primary key"),
                ("FOREIGN KEY", "foreign key"),
                ("UNIQUE", "unique constraint"),
                ("CHECK", "check"),
                ("EXCLUDE", "exclusion constraint"),
            ];
            // NOT NULL is a column's, whatever the server's version calls it.
            kinds.iter().find(|(word, _)| definition.starts_with(word)).map(|(_, kind)| *kind)
        }
        kind => Some(kind),
    }
}
