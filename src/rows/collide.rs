//! Rows that are told apart before a migration and not after it: what collides under a unique key.

use std::collections::{BTreeMap, BTreeSet};

use super::aim::{Aim, Aims, as_before};
use super::baseline::Wish;
use super::schema::{Column, Table, Unique};
use super::values::{self, Sort};

/// How many values that the migration names are tried in rows that collide.
const NAMED: usize = 12;

/// How many columns of the keys of one table are tried alone.
const PARTS: usize = 8;

/// How many keys of one table are tried with what another column gives them.
const CROSSED: usize = 40;

impl Aims<'_> {
    /// Rows that collide under a new unique key.
    pub(super) fn unique(&self, at: usize, after: &Table, all: &mut Vec<Aim>) {
        let table = &self.before.tables[at];
        let mut made = false;
        for key in after.unique.iter().filter(|key| !table.unique.iter().any(|old| old.oid == key.oid)) {
            // Beside an expression the predicate's columns count as the key's: they have the values that it asks for.
            let keyed = |number: &i16| {
                let column = after.columns.get(number);
                !key.expression || key.keys.iter().any(|text| column.is_some_and(|column| column.is_named_in(text)))
            };
            let own: BTreeSet<i16> = key
                .columns
                .iter()
                .copied()
                .filter(|number| table.columns.contains_key(number) && keyed(number))
                .collect();
            if own.iter().filter_map(|number| table.columns.get(number)).any(is_made_apart) {
                continue;
            }
            let demands = self.predicate(table, after, key);
            let first = Wish { table: at, filled: own.clone(), demands, ..Wish::default() };
            let second = Wish { table: at, n: 1, copy: own.clone(), ..Wish::default() };
            // The predicate's columns are as in the first row.
            let mut copy = own.clone();
            copy.extend(key.read.iter().filter(|number| table.columns.contains_key(*number)));
            let alike = Wish { copy, ..second.clone() };
            all.push(vec![first.clone(), alike.clone()].into());
            all.push(vec![first.clone(), second.clone()].into());
            self.folding(&first, &alike, after, key, all);
            self.literals(&first, &alike, key, all);
            self.numbered(&first, &alike, all);
            if key.nulls_equal {
                let set: BTreeMap<i16, String> = own
                    .iter()
                    .filter(|number| table.columns.get(*number).is_some_and(|column| !column.not_null))
                    .map(|number| (*number, "NULL".to_owned()))
                    .collect();
                let row = |n| Wish { table: at, n, set: set.clone(), ..Wish::default() };
                all.push(vec![row(0), row(1)].into());
            }
            if own.len() < key.columns.len() {
                all.push(
                    vec![Wish { table: at, ..Wish::default() }, Wish { table: at, n: 1, ..Wish::default() }].into(),
                );
                let row = |n| Wish { table: at, n, sparse: true, ..Wish::default() };
                all.push(vec![row(0), row(1)].into());
                made = true;
            }
        }
        if made {
            self.keys_of_new(at, all);
        }
    }

    /// Rows that are alike in a part of a key alone, where what the migration makes of them has a key: a view, another table.
    pub(super) fn parts_of_keys(&self, at: usize, all: &mut Vec<Aim>) {
        if !self.says("unique") && !self.says("primary") {
            return;
        }
        let table = &self.before.tables[at];
        let alone = |number: &i16| table.unique.iter().any(|key| key.columns == [*number]);
        let parts = table.columns.iter().filter(|(number, column)| {
            table.is_key(**number)
                && !alone(number)
                && self.says(&column.bare)
                && !column.generated
                && !is_made_apart(column)
        });
        for (number, _) in parts.take(PARTS) {
            let own = BTreeSet::from([*number]);
            let first = Wish { table: at, filled: own.clone(), ..Wish::default() };
            all.push(vec![first, Wish { table: at, n: 1, copy: own, ..Wish::default() }].into());
        }
    }

    /// Texts that differ, and that the expressions of a new unique key make the same: one column at a time, because the rest
    /// of the key has to be alike, then all of them.
    fn folding(&self, first: &Wish, alike: &Wish, after: &Table, key: &Unique, all: &mut Vec<Aim>) {
        let table = &self.before.tables[first.table];
        let is_text = |number: &i16| table.columns.get(number).is_some_and(|c| values::sort(c) == Sort::Text);
        let is_computed = |number: &i16| {
            let name = after.columns.get(number).map_or("", |column| column.name.as_str());
            key.keys.iter().any(|text| text != name && text.contains(name))
        };
        let texts: Vec<i16> = first.filled.iter().copied().filter(is_text).collect();
        let mut sets: Vec<Vec<i16>> = texts.iter().copied().filter(is_computed).map(|number| vec![number]).collect();
        if texts.len() > 1 {
            sets.push(texts);
        }
        for (one, other) in [("'Ann'", "'ann'"), ("'ann'", "'ann '"), ("'ann'", "' ann'"), ("'a-b'", "'a b'")] {
            for texts in sets.iter().filter(|_| key.expression) {
                let put = |wish: &Wish, value: &str| {
                    let mut wish = wish.clone();
                    wish.set.extend(texts.iter().map(|number| (*number, value.to_owned())));
                    wish.copy.retain(|number| !texts.contains(number));
                    wish
                };
                all.push(vec![put(first, one), put(alike, other)].into());
            }
        }
    }

    /// Two rows of one text, of which the migration numbers the second, and rows that have such a number already: `ann`, `ann`,
    /// `ann-1`.
    fn numbered(&self, first: &Wish, alike: &Wish, all: &mut Vec<Aim>) {
        let table = &self.before.tables[first.table];
        let is_text = |number: &&i16| {
            table.columns.get(*number).is_some_and(|c| values::sort(c) == Sort::Text && self.says(&c.bare))
        };
        if !self.says("row_number") {
            return;
        }
        let between = ["-", "_", " ", "."].into_iter().filter(|mark| self.text.contains(&format!("'{mark}'")));
        for mark in between {
            for number in first.filled.iter().filter(is_text) {
                let put = |wish: &Wish, n: usize, value: &str| {
                    let mut wish = Wish { n, ..wish.clone() };
                    wish.set.insert(*number, value.to_owned());
                    wish.copy.remove(number);
                    wish
                };
                let further = [1, 2].map(|n| put(alike, n + 1, &values::quote(&format!("ann{mark}{n}"))));
                all.push([vec![put(first, 0, "'ann'"), put(alike, 1, "'ann'")], further.to_vec()].concat().into());
            }
        }
    }

    /// Rows that collide under a new unique key with values that the migration names: it may make all others differ, or
    /// the key's condition may be about them.
    pub(super) fn literals(&self, first: &Wish, alike: &Wish, key: &Unique, all: &mut Vec<Aim>) {
        let table = &self.before.tables[first.table];
        let read = first.filled.iter().chain(&key.read).copied().collect::<BTreeSet<i16>>();
        let mut made = 0;
        for number in read {
            let Some(column) = table.columns.get(&number).filter(|column| self.says(&column.bare)) else { continue };
            let mut list: Vec<String> = self.compared(column).take(4).collect();
            list.extend(column.labels.iter().take(6).map(|label| values::quote(label)));
            let mut seen = BTreeSet::new();
            for value in list.into_iter().filter(|value| seen.insert(value.clone())) {
                made += 1;
                if made > NAMED {
                    return;
                }
                let put = |wish: &Wish| {
                    let mut wish = wish.clone();
                    wish.set.insert(number, value.clone());
                    wish.copy.remove(&number);
                    wish
                };
                all.push(vec![put(first), put(alike)].into());
            }
        }
    }

    /// The values that the migration compares with a column, or puts into it.
    pub(super) fn compared(&self, column: &Column) -> impl Iterator<Item = String> {
        self.beside(&column.bare).into_iter().filter_map(|literal| values::fitting(column, &literal))
    }

    /// The literals close behind a column's name.
    fn beside(&self, name: &str) -> Vec<String> {
        const REACH: usize = 48;
        let (text, name) = (self.text.to_ascii_lowercase(), name.to_ascii_lowercase());
        let ends = text.match_indices(&name).map(|(at, found)| at + found.len());
        let behind = ends.filter_map(|at| {
            let rest = self.text.get(at..)?;
            let end = rest.char_indices().map(|(at, _)| at).nth(REACH).unwrap_or(rest.len());
            let window = &rest[..end];
            Some(window.split(';').next().unwrap_or(window))
        });
        let mut found: Vec<String> = Vec::new();
        for window in behind {
            let fresh: Vec<String> = values::mentioned(window).into_iter().filter(|own| !found.contains(own)).collect();
            found.extend(fresh);
        }
        found
    }

    /// Rows whose texts a unique key tells apart, until the migration folds them into one.
    pub(super) fn folded(&self, at: usize, all: &mut Vec<Aim>) {
        let table = &self.before.tables[at];
        let Some(after) = self.after.get(table.oid) else { return };
        let folds = ["lower", "upper", "trim", "btrim", "replace", "regexp_replace", "left", "substring", "substr"];
        if !folds.iter().chain(&["citext", "collate"]).any(|word| self.says(word)) {
            return;
        }
        let text = |number: &i16| {
            let column = table.columns.get(number)?;
            (values::sort(column) == Sort::Text && self.says(&column.bare)).then_some(*number)
        };
        for key in &table.unique {
            for number in key.columns.iter().filter_map(text) {
                // The rest of the key is the same.
                let rest: BTreeSet<i16> = key.columns.iter().copied().filter(|other| *other != number).collect();
                for (one, other) in [("'Ann'", "'ann'"), ("'ann'", "' ann'"), ("'a-b'", "'a b'")] {
                    let set = |value: &str| BTreeMap::from([(number, value.to_owned())]);
                    let row = Wish { table: at, demands: self.predicate(table, after, key), ..Wish::default() };
                    let first = Wish { set: set(one), filled: rest.clone(), ..row.clone() };
                    let second = Wish { n: 1, set: set(other), copy: rest.clone(), ..row };
                    all.push(vec![first, second].into());
                }
            }
        }
    }

    /// Rows that are alike in what a new column may be made of: the same number, or `'Ann'` and `'ann'`.
    fn keys_of_new(&self, at: usize, all: &mut Vec<Aim>) {
        let table = &self.before.tables[at];
        for (number, column) in &table.columns {
            if !self.says(&column.bare) || column.generated || is_made_apart(column) {
                continue;
            }
            if values::sort(column) != Sort::Text {
                let own = BTreeSet::from([*number]);
                let first = Wish { table: at, filled: own.clone(), ..Wish::default() };
                all.push(vec![first, Wish { table: at, n: 1, copy: own, ..Wish::default() }].into());
                continue;
            }
            for (one, other) in [("'ann'", "'ann'"), ("'Ann'", "'ann'"), ("'a b'", "'a-b'")] {
                let row = |n, value: &str| Wish {
                    table: at,
                    n,
                    set: BTreeMap::from([(*number, value.to_owned())]),
                    ..Wish::default()
                };
                all.push(vec![row(0, one), row(1, other)].into());
            }
        }
    }

    /// What a partial index asks of a row, as far as the columns are there before.
    fn predicate(&self, table: &Table, after: &Table, key: &Unique) -> Vec<(String, Vec<i16>)> {
        let there = |number: &i16| table.columns.contains_key(number) && after.columns.contains_key(number);
        match &key.predicate {
            Some(predicate) if key.read.iter().all(there) => {
                let predicate = as_before(predicate, table, after);
                let words = |column: &Column| column.is_named_in(&predicate);
                let read = key.read.iter().filter(|number| table.columns.get(*number).is_some_and(words));
                vec![(format!("({predicate}) IS TRUE"), read.copied().collect())]
            }
            _ => Vec::new(),
        }
    }

    /// A row whose key the migration fills from another of its columns, and a row that has that very key already.
    pub(super) fn crossed(&self, at: usize, all: &mut Vec<Aim>) {
        let table = &self.before.tables[at];
        if !self.says("update") {
            return;
        }
        let alike = |one: &Column, other: &Column| match (values::sort(one), values::sort(other)) {
            (Sort::Integer(_), Sort::Integer(_)) => true,
            (one, other) => one == other,
        };
        let mut made = 0;
        for key in table.unique.iter().filter(|key| !key.expression && key.predicate.is_none()) {
            let [number] = key.columns[..] else { continue };
            let Some(column) = table.columns.get(&number) else { continue };
            if column.not_null || !self.says(&column.bare) || table.foreign.iter().any(|f| f.columns.contains(&number))
            {
                continue;
            }
            let sources = table.columns.iter().filter(|(other, source)| {
                **other != number && self.says(&source.bare) && !source.generated && alike(column, source)
            });
            for (other, source) in sources {
                made += 1;
                if made > CROSSED {
                    return;
                }
                let value = values::key(source, 0);
                let empty = BTreeMap::from([(*other, value.clone()), (number, "NULL".to_owned())]);
                let first = Wish { table: at, set: empty, ..Wish::default() };
                let set = BTreeMap::from([(number, value)]);
                all.push(vec![first, Wish { table: at, n: 1, set, ..Wish::default() }].into());
            }
        }
    }

    /// Two rows of every table in which whatever the migration may join by is the key of another table's row: a subquery that
    /// takes them for one finds two.
    pub(super) fn meeting(&self, touched: &[usize], all: &mut Vec<Aim>) {
        if touched.len() < 2 || !self.says("select") {
            return;
        }
        let mut wishes = Vec::new();
        for at in touched.iter().copied() {
            let table = &self.before.tables[at];
            let joined = table.columns.iter().filter(|(number, column)| {
                let alone = table.unique.iter().any(|key| key.columns == [**number]);
                let points = table.foreign.iter().any(|key| key.columns.contains(number));
                matches!(values::sort(column), Sort::Integer(_) | Sort::Uuid)
                    && self.says(&column.bare)
                    && !(alone || points || column.generated || column.sequence || table.is_key(**number))
            });
            let set: BTreeMap<i16, String> = joined.map(|(number, column)| (*number, values::key(column, 0))).collect();
            let rows = if set.is_empty() { 0..1 } else { 0..2 };
            wishes.extend(rows.map(|n| Wish { table: at, n, set: set.clone(), ..Wish::default() }));
        }
        if wishes.len() > touched.len() {
            all.push(wishes.into());
        }
    }
}

/// Whether a sequence or a generator fills the column: it has no duplicates in practice, with a key or without.
fn is_made_apart(column: &Column) -> bool {
    column.sequence || column.default.as_ref().is_some_and(|text| text.contains("uuid"))
}
