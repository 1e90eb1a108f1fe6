//! Rows at the bounds of partitions that a migration makes, attaches, or gives other bounds.

use std::collections::BTreeMap;

use super::aim::{Aim, Aims};
use super::baseline::Wish;
use super::values;

/// How many values of one column are tried in a table that becomes a partition.
const VALUES: usize = 12;

impl Aims<'_> {
    /// For each bound that is new or gone: rows of its table that it names (the default partition may have them, or the one that
    /// had this bound), and rows of a table that is attached, within the bound and out of it.
    pub(super) fn bounds(&self, touched: &[usize], all: &mut Vec<Aim>) {
        let attached = |at: &usize| self.after.get(self.before.tables[*at].oid).is_none() && self.says("attach");
        for after in self.after.tables.iter().filter(|after| !after.partitioned_by.is_empty()) {
            let before = self.before.get(after.oid).map(|before| before.bounds.as_slice()).unwrap_or_default();
            let gone = before.iter().filter(|bound| !after.bounds.contains(bound));
            let new = after.bounds.iter().filter(|bound| !before.contains(bound));
            let changed: Vec<&str> = new.chain(gone).map(String::as_str).collect();
            if changed.is_empty() {
                continue;
            }
            let text = changed.join(" ");
            for at in touched.iter().copied() {
                let table = &self.before.tables[at];
                let (is_itself, is_attached) = (table.oid == after.oid, attached(&at));
                for name in after.partitioned_by.iter().filter_map(|number| Some(&after.columns.get(number)?.bare)) {
                    let Some((number, column)) = table.columns.iter().find(|(_, column)| column.bare == *name) else {
                        continue;
                    };
                    let mut list: Vec<String> = Vec::new();
                    if is_itself {
                        list.extend(values::mentioned(&text).iter().filter_map(|bound| values::fitting(column, bound)));
                    }
                    if is_attached {
                        list.extend(values::candidates(column, &text, 0).into_iter().take(VALUES));
                    }
                    if (is_itself || is_attached) && !column.not_null {
                        list.push("NULL".to_owned());
                    }
                    let wish = |value| Wish { table: at, set: BTreeMap::from([(*number, value)]), ..Wish::default() };
                    all.extend(list.into_iter().map(|value| vec![wish(value)].into()));
                }
            }
        }
    }
}
