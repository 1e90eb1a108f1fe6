//! Rows that hang on others: children of rows that a migration deletes or reads, and rows of a tree.

use std::collections::BTreeMap;

use regex::Regex;

use super::aim::{Aim, Aims};
use super::baseline::Wish;
use super::schema::{Column, Foreign, Table};
use super::values;

/// How many rows of one table are tried with others that point to them.
const PARENTS: usize = 16;
/// How many tables that point to one have a row in such a set.
const CHILDREN: usize = 12;
/// How many values of one column are tried in such rows.
const VALUES: usize = 3;

impl Aims<'_> {
    /// Rows that others point to, where the migration deletes such rows or changes the key that is pointed to.
    pub(super) fn children(&self, touched: &[usize], all: &mut Vec<Aim>) {
        for at in touched.iter().copied() {
            let table = &self.before.tables[at];
            let deletes = self.says("delete") && self.is_behind(r"delete\s+from", table);
            let updates = self.says("update") && self.is_behind("update", table);
            let moves = |key: &Foreign| updates && key.holds_keys && self.says_any(table, &key.parent_columns);
            let mut children = self.pointing(at, |key| deletes && key.holds_parents || moves(key));
            children.truncate(CHILDREN);
            if children.is_empty() {
                continue;
            }
            let mut parents = vec![BTreeMap::new()];
            if deletes {
                parents.extend(self.noticed(table));
            }
            all.extend(parents.into_iter().take(PARENTS).map(|set| family(at, set, &children)));
        }
    }

    /// Rows whose values reach other tables: what another row that points to them is given from them.
    pub(super) fn joined(&self, touched: &[usize], all: &mut Vec<Aim>) {
        for at in touched.iter().copied() {
            let mut children = self.pointing(at, |_| true);
            children.retain(|child| touched.contains(&child.table));
            children.truncate(CHILDREN);
            if children.is_empty() {
                continue;
            }
            let sets = self.noticed(&self.before.tables[at]).take(PARENTS);
            all.extend(sets.map(|set| family(at, set, &children)));
        }
    }

    /// A row below another of its own table.
    pub(super) fn trees(&self, touched: &[usize], all: &mut Vec<Aim>) {
        for (at, set) in self.steps(touched) {
            let root = Wish { table: at, ..Wish::default() };
            all.push(vec![root, Wish { table: at, n: 1, set, ..Wish::default() }].into());
        }
    }

    /// A row that points to itself: a walk from the roots never comes to it, and one from everywhere never ends.
    pub(super) fn circles(&self, touched: &[usize], all: &mut Vec<Aim>) {
        for (at, set) in self.steps(touched) {
            all.push(vec![Wish { table: at, set, ..Wish::default() }].into());
        }
    }

    /// For each key by which a table points to itself, and that the migration speaks of: what points to its first row.
    fn steps(&self, touched: &[usize]) -> Vec<(usize, BTreeMap<i16, String>)> {
        let mut steps = Vec::new();
        for at in touched.iter().copied() {
            let table = &self.before.tables[at];
            let own = |key: &&Foreign| key.parent == table.oid && self.says_any(table, &key.columns);
            for key in table.foreign.iter().filter(own) {
                let pairs = key.columns.iter().zip(&key.parent_columns);
                let own = pairs.filter_map(|(own, theirs)| Some((*own, values::key(table.columns.get(theirs)?, 0))));
                steps.push((at, own.collect()));
            }
        }
        steps
    }

    /// A row of each table that points to `parent` with a key that `counts`.
    fn pointing(&self, parent: usize, counts: impl Fn(&Foreign) -> bool) -> Vec<Wish> {
        let oid = self.before.tables[parent].oid;
        let points = |(at, table): (usize, &Table)| {
            let key = table.foreign.iter().find(|key| key.parent == oid && table.oid != oid && counts(key))?;
            let filled = key.columns.iter().copied().collect();
            Some(Wish { table: at, filled, ..Wish::default() })
        };
        self.before.tables.iter().enumerate().filter_map(points).collect()
    }

    /// Values of the columns that the migration speaks of, one at a time: what it compares them with, NULL, and edges.
    fn noticed(&self, table: &Table) -> impl Iterator<Item = BTreeMap<i16, String>> {
        let free = |(number, column): &(&i16, &Column)| {
            self.says(&column.bare) && !column.generated && !column.sequence && !table.is_key(**number)
        };
        let mut sets = Vec::new();
        for (number, column) in table.columns.iter().filter(free) {
            let mut list: Vec<String> = Vec::new();
            if !column.not_null {
                list.push("NULL".to_owned());
            }
            list.extend(self.compared(column).take(VALUES));
            let edges = values::edges(column).into_iter().filter(|value| !values::is_odd(value)).take(VALUES);
            let fresh: Vec<String> = edges.filter(|value| !list.contains(value)).collect();
            list.extend(fresh);
            sets.extend(list.into_iter().map(|value| BTreeMap::from([(*number, value)])));
        }
        sets.into_iter()
    }

    /// Whether the migration says the name of one of these columns.
    fn says_any(&self, table: &Table, numbers: &[i16]) -> bool {
        numbers.iter().any(|number| table.columns.get(number).is_some_and(|column| self.says(&column.bare)))
    }

    /// Whether the migration says the table's name behind `verb`, a pattern.
    fn is_behind(&self, verb: &str, table: &Table) -> bool {
        let name = regex::escape(&table.bare);
        let pattern = format!(r#"(?i)\b{verb}\s+(?:only\s+)?(?:[\w"]+\s*\.\s*)?"?{name}(?:"|\b)"#);
        Regex::new(&pattern).is_ok_and(|pattern| pattern.is_match(self.text))
    }
}

/// A row of the table `at` with these values, and its `children`.
fn family(at: usize, set: BTreeMap<i16, String>, children: &[Wish]) -> Aim {
    let mut wishes = vec![Wish { table: at, set, ..Wish::default() }];
    wishes.extend_from_slice(children);
    wishes.into()
}
