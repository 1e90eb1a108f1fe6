//! What is tried: from what a migration changes and mentions to the rows that may break it.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::baseline::Wish;
use super::schema::{Column, Schema, Table, with_names};
use super::values::{self, Sort};

/// How many single values are tried.
const VALUES: usize = 120;

/// How many sets of rows are tried beyond the likely ones.
const DEEPER: usize = 2_000;

/// How many values that a CHECK speaks of are tried as orphans.
const ALLOWED: usize = 8;

/// How many values at the edges of one column are tried there.
const EDGES: usize = 3;

/// Rows of one table in a crowd.
const CROWD: usize = 4;

/// Rows to be tried together.
#[derive(Debug, Clone, Default)]
pub(super) struct Aim {
    /// The rows.
    pub(super) wishes: Vec<Wish>,
    /// What else production would have done (a sequence that is ahead of its ids).
    pub(super) extra: Vec<String>,
}

impl From<Vec<Wish>> for Aim {
    fn from(wishes: Vec<Wish>) -> Aim {
        Aim { wishes, extra: Vec::new() }
    }
}

/// What a migration changes.
pub(super) struct Aims<'a> {
    /// The schema before.
    pub(super) before: &'a Schema,
    /// The schema after.
    pub(super) after: &'a Schema,
    /// The migration's text.
    pub(super) text: &'a str,
    words: BTreeSet<String>,
}

impl<'a> Aims<'a> {
    /// Of `text`, which makes `after` out of `before`.
    pub(super) fn new(before: &'a Schema, after: &'a Schema, text: &'a str) -> Aims<'a> {
        Aims { before, after, text, words: values::words(text) }
    }

    pub(super) fn says(&self, name: &str) -> bool {
        self.words.contains(&name.to_lowercase())
    }

    /// The tables that the migration mentions or changes.
    pub(super) fn touched(&self) -> Vec<usize> {
        let changed = |table: &Table| {
            self.after.get(table.oid).is_some_and(|after| {
                let keys = |table: &Table| -> Vec<(u32, bool)> {
                    let foreign = table.foreign.iter().map(|key| (key.oid, key.validated));
                    let checks = table.checks.iter().chain(&table.exclusions).map(|check| (check.oid, check.validated));
                    foreign.chain(checks).chain(table.unique.iter().map(|key| (key.oid, true))).collect()
                };
                after.columns != table.columns || after.bounds != table.bounds || keys(after) != keys(table)
            })
        };
        let touched = |at: &usize| {
            let table = &self.before.tables[*at];
            self.says(&table.bare) || changed(table)
        };
        (0..self.before.tables.len()).filter(touched).collect()
    }

    /// Everything that is tried, the likeliest first.
    pub(super) fn all(&self) -> Vec<Aim> {
        let mut all: Vec<Aim> = Vec::new();
        let touched = self.touched();
        all.push(touched.iter().map(|at| Wish { table: *at, ..Wish::default() }).collect::<Vec<_>>().into());
        all.push(
            touched.iter().map(|at| Wish { table: *at, sparse: true, ..Wish::default() }).collect::<Vec<_>>().into(),
        );
        for at in &touched {
            let Some(after) = self.after.get(self.before.tables[*at].oid) else { continue };
            self.foreign(*at, after, &mut all);
            self.unique(*at, after, &mut all);
            self.nulls(*at, after, &mut all);
            self.checks(*at, after, &mut all);
            self.types(*at, after, &mut all);
            self.exclusions(*at, after, &mut all);
            self.empty(*at, &mut all);
            self.parts_of_keys(*at, &mut all);
        }
        self.bounds(&touched, &mut all);
        self.copies(&touched, &mut all);
        self.children(&touched, &mut all);
        for at in &touched {
            all.push(vec![Wish { table: *at, ..Wish::default() }].into());
            all.push(vec![Wish { table: *at, sparse: true, ..Wish::default() }].into());
        }
        let twins = |at: &usize| {
            [Wish { table: *at, ..Wish::default() }, Wish { table: *at, n: 1, twin: true, ..Wish::default() }]
        };
        all.push(touched.iter().flat_map(twins).collect::<Vec<_>>().into());
        self.siblings(&touched, &mut all);
        self.meeting(&touched, &mut all);
        self.edges(&touched, &mut all);
        self.joined(&touched, &mut all);
        self.trees(&touched, &mut all);
        all
    }

    /// What is tried where there is time: columns that the text does not mention, values in pairs, crowds of rows.
    pub(super) fn deeper(&self) -> Vec<Aim> {
        let touched = self.touched();
        let mut all: Vec<Aim> = Vec::new();
        for sparse in [false, true] {
            let crowd = |at: &usize| {
                let at = *at;
                (0..CROWD).map(move |n| Wish { table: at, n, sparse, ..Wish::default() })
            };
            all.push(touched.iter().flat_map(crowd).collect::<Vec<_>>().into());
        }
        let walks = self.says("recursive");
        if !walks {
            self.circles(&touched, &mut all);
        }
        for at in &touched {
            let table = &self.before.tables[*at];
            let free = |(_, column): &(&i16, &Column)| !column.generated && !column.sequence;
            let edges = |number: &i16, column: &Column| -> Vec<(i16, String)> {
                let list = values::edges(column).into_iter().filter(|value| !values::is_odd(value));
                list.take(EDGES).map(|value| (*number, value)).collect()
            };
            let paired = |number: &i16, column: &Column| -> Vec<(i16, String)> {
                let empty = (!column.not_null).then(|| "NULL".to_owned());
                let named = empty.into_iter().chain(self.compared(column).take(2)).map(|value| (*number, value));
                named.chain(edges(number, column)).collect()
            };
            // What a trigger reads decides beside what the migration writes.
            let triggers = table.triggers.as_deref().map(values::words).unwrap_or_default();
            let (said, other): (Vec<_>, Vec<_>) = table
                .columns
                .iter()
                .filter(free)
                .partition(|(_, column)| self.says(&column.bare) || triggers.contains(&column.bare.to_lowercase()));
            for (number, column) in other {
                for (number, value) in edges(number, column) {
                    all.push(
                        vec![Wish { table: *at, set: BTreeMap::from([(number, value)]), ..Wish::default() }].into(),
                    );
                }
            }
            for (place, (number, column)) in said.iter().enumerate() {
                for (other, another) in &said[place + 1..] {
                    // Of hundreds of columns there are millions of pairs.
                    if all.len() >= DEEPER {
                        break;
                    }
                    for one in paired(number, column) {
                        for two in paired(other, another) {
                            let set = BTreeMap::from([one.clone(), two]);
                            all.push(vec![Wish { table: *at, set, ..Wish::default() }].into());
                        }
                    }
                }
            }
        }
        all.truncate(DEEPER);
        if walks {
            // A walk that never ends takes what time there is left.
            self.circles(&touched, &mut all);
        }
        all
    }

    /// Orphans for new foreign keys.
    fn foreign(&self, at: usize, after: &Table, all: &mut Vec<Aim>) {
        let table = &self.before.tables[at];
        let known = |oid| table.foreign.iter().any(|key| key.oid == oid && key.validated);
        for key in after.foreign.iter().filter(|key| key.validated && !known(key.oid)) {
            let own: Vec<(i16, &Column)> =
                key.columns.iter().filter_map(|number| Some((*number, table.columns.get(number)?))).collect();
            if own.len() == key.columns.len() {
                let set = own.iter().map(|(number, column)| (*number, values::orphan(column))).collect();
                all.push(vec![Wish { table: at, set, ..Wish::default() }].into());
                if let [(number, column)] = own[..] {
                    all.extend(
                        allowed(table, number, column)
                            .map(|set| vec![Wish { table: at, set, ..Wish::default() }].into()),
                    );
                }
                for (number, column) in own.iter().filter(|_| own.len() > 1) {
                    let set = BTreeMap::from([(*number, values::orphan(column))]);
                    let filled = key.columns.iter().copied().collect();
                    all.push(vec![Wish { table: at, set, filled, ..Wish::default() }].into());
                    if !column.not_null {
                        let set = BTreeMap::from([(*number, "NULL".to_owned())]);
                        let filled = key.columns.iter().copied().filter(|other| other != number).collect();
                        all.push(vec![Wish { table: at, set, filled, ..Wish::default() }].into());
                    }
                }
            }
        }
    }

    /// Values that a new foreign key may meet on their way through other columns.
    fn copies(&self, touched: &[usize], all: &mut Vec<Aim>) {
        let mut kinds: Vec<Sort> = Vec::new();
        for table in &self.after.tables {
            let known =
                |oid| self.before.get(table.oid).is_some_and(|old| old.foreign.iter().any(|key| key.oid == oid));
            for key in table.foreign.iter().filter(|key| !known(key.oid)) {
                let own = self.before.get(table.oid);
                for number in &key.columns {
                    let new = own.is_none_or(|own| !own.columns.contains_key(number) || own.columns.len() > 1);
                    if let (true, Some(column)) = (new, table.columns.get(number)) {
                        kinds.push(values::sort(column));
                    }
                }
            }
        }
        let alike = |column: &Column| {
            let sort = values::sort(column);
            kinds.iter().any(|kind| match (kind, sort) {
                (Sort::Integer(_), Sort::Integer(_) | Sort::Text) => true,
                (Sort::Uuid, Sort::Uuid | Sort::Text) => true,
                (kind, sort) => *kind == sort,
            })
        };
        let of = |at: usize, only_said: bool| -> Vec<(i16, String)> {
            let table = &self.before.tables[at];
            table
                .columns
                .iter()
                .filter(|(number, column)| {
                    alike(column)
                        && !table.foreign.iter().any(|key| key.columns.contains(number))
                        && !column.generated
                        && (!only_said || self.says(&column.bare))
                        && !column.sequence
                })
                .map(|(number, column)| (*number, self.stranger(column, kinds.first().copied())))
                .collect()
        };
        for at in touched {
            for (number, value) in of(*at, true) {
                all.push(vec![Wish { table: *at, set: BTreeMap::from([(number, value)]), ..Wish::default() }].into());
                let table = &self.before.tables[*at];
                let Some(column) = table.columns.get(&number) else { continue };
                let wish = |set| vec![Wish { table: *at, set, ..Wish::default() }].into();
                all.extend(allowed(table, number, column).map(wish));
            }
        }
    }

    /// A value that is no row's key, in the form that a key of that kind has.
    fn stranger(&self, column: &Column, kind: Option<Sort>) -> String {
        match (values::sort(column), kind) {
            (Sort::Text, Some(Sort::Integer(_))) => "'999'".to_owned(),
            (Sort::Text, Some(Sort::Uuid)) => "'00000000-0000-4000-8000-999999999999'".to_owned(),
            _ => values::orphan(column),
        }
    }

    /// Rows of one parent that a key of several columns keeps apart, with the values that the migration names: a subquery that
    /// takes them for one finds two.
    fn siblings(&self, touched: &[usize], all: &mut Vec<Aim>) {
        for at in touched.iter().copied().filter(|_| self.says("select")) {
            let table = &self.before.tables[at];
            for key in table.unique.iter().filter(|key| !key.expression) {
                let is_part = |columns: &[i16]| {
                    columns.len() < key.columns.len() && columns.iter().all(|number| key.columns.contains(number))
                };
                for foreign in table.foreign.iter().filter(|foreign| is_part(&foreign.columns)) {
                    let copy = foreign.columns.iter().copied().collect();
                    let first = Wish { table: at, ..Wish::default() };
                    let second = Wish { table: at, n: 1, twin: true, copy, ..Wish::default() };
                    all.push(vec![first.clone(), second.clone()].into());
                    let named = |(number, column): &(&i16, &Column)| {
                        !key.columns.contains(number)
                            && matches!(values::sort(column), Sort::Text | Sort::Enum | Sort::Bool)
                    };
                    let filled = table.columns.iter().filter(named).map(|(number, _)| *number).collect();
                    self.literals(&Wish { filled, ..first }, &second, key, all);
                }
            }
        }
    }

    /// NULLs where they are to be refused.
    fn nulls(&self, at: usize, after: &Table, all: &mut Vec<Aim>) {
        let table = &self.before.tables[at];
        for (number, column) in &table.columns {
            let refused = after.columns.get(number).is_some_and(|column| column.not_null);
            if refused && !column.not_null {
                let set = BTreeMap::from([(*number, "NULL".to_owned())]);
                all.push(vec![Wish { table: at, set: set.clone(), ..Wish::default() }].into());
                all.push(vec![Wish { table: at, set, sparse: true, ..Wish::default() }].into());
            }
        }
    }

    /// A row of which nothing is known that the migration mentions, its keys included.
    fn empty(&self, at: usize, all: &mut Vec<Aim>) {
        let table = &self.before.tables[at];
        let free = |column: &Column| !column.not_null && !column.generated && self.says(&column.bare);
        let said = table.columns.iter().filter(|(_, column)| free(column));
        let set: BTreeMap<i16, String> = said.map(|(number, _)| (*number, "NULL".to_owned())).collect();
        if set.len() > 1 {
            all.push(vec![Wish { table: at, set, ..Wish::default() }].into());
        }
    }

    /// Values outside of a new CHECK and inside the old ones.
    fn checks(&self, at: usize, after: &Table, all: &mut Vec<Aim>) {
        let table = &self.before.tables[at];
        let known = |oid| table.checks.iter().any(|check| check.oid == oid && check.validated);
        for check in after.checks.iter().filter(|check| check.validated && !known(check.oid)) {
            let same = |number: &i16| {
                let (old, new) = (table.columns.get(number), after.columns.get(number));
                old.is_some_and(|old| new.is_some_and(|new| old.base == new.base))
            };
            if check.columns.iter().all(same) && !check.columns.is_empty() {
                let text = as_before(&check.text, table, after);
                let demand = (format!("({text}) IS FALSE"), check.columns.clone());
                all.push(vec![Wish { table: at, demands: vec![demand], ..Wish::default() }].into());
                // It may be neither true nor false, but divide by zero.
                let divides = check.text.contains(['/', '%']);
                let number = |number: &i16| {
                    let sort = table.columns.get(number).map(values::sort);
                    divides && matches!(sort, Some(Sort::Integer(_) | Sort::Number))
                };
                for number in check.columns.iter().copied().filter(number) {
                    let set = BTreeMap::from([(number, "0".to_owned())]);
                    all.push(vec![Wish { table: at, set, ..Wish::default() }].into());
                }
            }
        }
    }

    /// Values that another type cannot take.
    fn types(&self, at: usize, after: &Table, all: &mut Vec<Aim>) {
        let table = &self.before.tables[at];
        for (number, column) in &table.columns {
            let Some(new) = after.columns.get(number) else { continue };
            if new.declared == column.declared && new.domain == column.domain {
                continue;
            }
            let mut edges = values::edges(column);
            if let Some(width) = values::width(new) {
                edges.insert(0, values::quote(&"a".repeat(width + 1)));
            }
            if let Some(text) = values::awkward(new.kind.trim_start_matches('_')) {
                match values::sort(column) {
                    Sort::Text => edges.insert(0, values::quote(text)),
                    Sort::Array => {
                        edges.push(values::quote(&format!("{{\"{}\"}}", text.replace('\\', "\\\\"))));
                    }
                    _ => {}
                }
            }
            if let Some(domain) = &new.domain {
                edges.extend(values::candidates(column, domain, 0));
            }
            // What only a program would write is no reason to refuse a change of type.
            if values::sort(new) == values::sort(column) || column.kind.starts_with("float") {
                edges.retain(|value| !values::is_odd(value));
            }
            for value in edges {
                let set = BTreeMap::from([(*number, value)]);
                all.push(vec![Wish { table: at, set, ..Wish::default() }].into());
            }
        }
    }

    /// Two rows in the same place.
    fn exclusions(&self, at: usize, after: &Table, all: &mut Vec<Aim>) {
        let table = &self.before.tables[at];
        for new in after.exclusions.iter().filter(|new| !table.exclusions.iter().any(|old| old.oid == new.oid)) {
            let own: BTreeSet<i16> =
                new.columns.iter().copied().filter(|number| table.columns.contains_key(number)).collect();
            let new_ones = after.columns.iter().filter(|(number, _)| !table.columns.contains_key(*number));
            let new_ones: Vec<&Column> = new_ones.map(|(_, column)| column).collect();
            let demands: Vec<_> = condition_of(&new.text)
                .into_iter()
                .filter(|text| !new_ones.iter().any(|column| column.is_named_in(text)))
                .map(|text| {
                    let text = as_before(text, table, after);
                    let read = table.columns.iter().filter(|(_, column)| column.is_named_in(&text));
                    let read: Vec<i16> = read.map(|(number, _)| *number).collect();
                    (format!("({text}) IS TRUE"), read)
                })
                .collect();
            let demands: Vec<_> = demands.into_iter().chain(spans(&new.text, table, after)).collect();
            let mut copy = own.clone();
            copy.extend(demands.iter().flat_map(|(_, read)| read));
            let first = Wish { table: at, filled: own, demands, ..Wish::default() };
            all.push(vec![first, Wish { table: at, n: 1, copy, ..Wish::default() }].into());
        }
        // A range may be made of two columns: rows that are alike in all but their keys are tried as twins.
        if after.exclusions.len() > table.exclusions.len() {
            let twin = Wish { table: at, n: 1, twin: true, ..Wish::default() };
            all.push(vec![Wish { table: at, ..Wish::default() }, twin].into());
        }
    }

    /// Single values at the edges, in columns that the migration computes with.
    fn edges(&self, touched: &[usize], all: &mut Vec<Aim>) {
        let computes = ["update", "insert", "using", "do", "merge", "select", "generated", "expression"]
            .iter()
            .any(|word| self.words.contains(*word));
        if !computes {
            touched.iter().for_each(|at| self.folded(*at, all));
            return;
        }
        let literals = values::mentioned(self.text);
        let mut made = 0;
        for at in touched {
            let table = &self.before.tables[*at];
            // What a trigger compares a value with may be what it refuses to have changed.
            for literal in table.triggers.iter().flat_map(|text| values::mentioned(text)).take(8) {
                // It may say a column's name in a string, too.
                let words = |text: &String| values::words(text);
                let trigger = table.triggers.as_ref().map(words).unwrap_or_default();
                let said = |column: &Column| trigger.contains(&column.bare.to_lowercase());
                for (number, column) in table.columns.iter().filter(|(_, column)| said(column)) {
                    if let Some(value) = values::fitting(column, &literal) {
                        let set = BTreeMap::from([(*number, value)]);
                        all.push(vec![Wish { table: *at, set, ..Wish::default() }].into());
                    }
                }
            }
            self.folded(*at, all);
            self.crossed(*at, all);
            // A column that is computed when it is read stands for those that it is computed from.
            let stands = |own: &&Column| own.generated && self.says(&own.bare);
            let computed: Vec<&str> =
                table.columns.values().filter(stands).filter_map(|own| own.default.as_deref()).collect();
            let read = |column: &Column| {
                self.says(&column.bare) || computed.iter().any(|expression| column.is_named_in(expression))
            };
            for (number, column) in &table.columns {
                if !read(column) || column.generated || column.sequence {
                    continue;
                }
                let mut list: Vec<String> =
                    literals.iter().filter_map(|literal| values::fitting(column, literal)).take(6).collect();
                // Keys that are counted up are neither negative nor zero.
                let counted = table.unique.iter().any(|key| key.primary && key.columns == [*number]);
                if counted && matches!(values::sort(column), Sort::Integer(_)) {
                    continue;
                }
                if values::sort(column) == Sort::Json {
                    list.extend(literals.iter().flat_map(|key| values::under(key)));
                }
                list.extend(values::edges(column));
                if values::sort(column) == Sort::Text {
                    let said = ["xml", "tsquery", "tsvector", "bytea"].into_iter().filter(|kind| self.says(kind));
                    list.extend(said.filter_map(values::awkward).filter_map(|text| values::fitting(column, text)));
                }
                if !column.not_null {
                    list.push("NULL".to_owned());
                }
                // What no application counts up to is no reason to refuse a sum.
                let max = match values::sort(column) {
                    Sort::Integer(max) => max.to_string(),
                    _ => String::new(),
                };
                list.retain(|value| *value != max && !values::is_odd(value));
                for value in list {
                    made += 1;
                    if made > VALUES {
                        return;
                    }
                    let set = BTreeMap::from([(*number, value)]);
                    all.push(vec![Wish { table: *at, set, ..Wish::default() }].into());
                }
            }
        }
    }
}

/// The predicate of an exclusion constraint, by its definition.
fn condition_of(definition: &str) -> Option<&str> {
    let (_, rest) = definition.split_once(") WHERE ")?;
    Some(rest.trim_end_matches(" INITIALLY DEFERRED").trim_end_matches(" DEFERRABLE"))
}

/// For each range that an exclusion constraint makes of two columns: that it is not empty. One that is meets no other.
fn spans(definition: &str, table: &Table, after: &Table) -> Vec<(String, Vec<i16>)> {
    let Ok(range) = Regex::new(r"\w*range\(([^(),]+), ([^(),]+)[,)]") else { return Vec::new() };
    let text = as_before(definition, table, after);
    let demand = |found: regex::Captures<'_>| {
        let text = format!("({}) < ({})", &found[1], &found[2]);
        let read = table.columns.iter().filter(|(_, column)| column.is_named_in(&text));
        let read: Vec<i16> = read.map(|(number, _)| *number).collect();
        (read.len() == 2).then_some((text, read))
    };
    range.captures_iter(&text).filter_map(demand).collect()
}

/// Values of which a CHECK on the column may take some, where it takes no stranger.
fn allowed(table: &Table, number: i16, column: &Column) -> impl Iterator<Item = BTreeMap<i16, String>> {
    let texts = table.checks.iter().filter(|check| check.columns.contains(&number)).map(|check| check.text.as_str());
    let text = texts.chain(column.domain.as_deref()).collect::<Vec<_>>().join(" ");
    let list = if text.is_empty() { Vec::new() } else { values::candidates(column, &text, 0) };
    list.into_iter().take(ALLOWED).map(move |value| BTreeMap::from([(number, value)]))
}

/// An expression over the table after, with the names that its columns have before.
pub(super) fn as_before(text: &str, table: &Table, after: &Table) -> String {
    with_names(text, |name| {
        let (number, _) = after.columns.iter().find(|(_, column)| column.name == name)?;
        table.columns.get(number).filter(|column| column.name != name).map(|column| column.name.clone())
    })
}

#[cfg(test)]
mod tests {
    use super::super::schema::Unique;
    use super::*;

    #[test]
    fn a_wide_table_has_no_more_aims_than_are_tried() {
        let number = |n: i16| Column {
            bare: format!("c{n}"),
            name: format!("c{n}"),
            kind: "int4".to_owned(),
            ..Column::default()
        };
        let unique = |n: i16| Unique {
            oid: n.unsigned_abs().into(),
            name: format!("w_c{n}_key"),
            keys: vec![format!("c{n}")],
            primary: false,
            columns: vec![n],
            read: vec![n],
            expression: false,
            predicate: None,
            nulls_equal: false,
        };
        let table = Table {
            bare: "w".to_owned(),
            name: "w".to_owned(),
            columns: (1..=200).map(|n| (n, number(n))).collect(),
            unique: (1..=200).map(unique).collect(),
            ..Table::default()
        };
        let mut schema = Schema::default();
        schema.tables.push(table);
        let sets: Vec<String> = (1..=200).map(|n| format!("c{n} = c1")).collect();
        let text = format!("UPDATE w SET {}", sets.join(", "));
        let aims = Aims::new(&schema, &schema, &text);
        assert!(aims.all().len() < DEEPER, "{}", aims.all().len());
        let deeper = aims.deeper();
        assert_eq!(deeper.len(), DEEPER);
        assert!(deeper.capacity() < 4 * DEEPER, "{} were made", deeper.capacity());
    }
}
