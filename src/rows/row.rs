//! One row of a counterexample: put in, or one that the chain itself has put in, changed.

use std::collections::{BTreeMap, BTreeSet};

use super::schema::{Column, Schema, Table};

/// One row, by the place of its table in the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// The table.
    pub(super) table: usize,
    /// SQL literals by column; what is missing has its default, or stays as it is.
    pub(super) values: BTreeMap<i16, String>,
    /// The row of the chain's that is changed; none for one that is put in.
    pub(super) of: Option<Old>,
    /// What production has done before: partitions that no migration makes.
    pub(super) ahead: Vec<String>,
    /// What an UPDATE gives it right after it is put in, because a trigger gives it other values.
    pub(super) again: BTreeMap<i16, String>,
    /// It points to a row that is put in after it: keys that lead in a circle, checked when both are there.
    pub(super) early: bool,
    /// The columns to which a trigger gave other values than they were given.
    pub(super) remade: BTreeSet<i16>,
}

/// A row that is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Old {
    /// SQL literals by column.
    pub(super) values: BTreeMap<i16, String>,
    /// The condition that finds it alone, from its ` WHERE` on; empty where there is no other.
    pub(super) place: String,
}

/// What has to be said before `rows` are put in: keys are checked at the end where a row comes before the one that it points to.
pub(super) fn deferral(rows: &[Row]) -> Option<&'static str> {
    rows.iter().any(|row| row.early).then_some("SET CONSTRAINTS ALL DEFERRED")
}

/// `statements` over `rows`, as they can be run one by one: in one transaction where keys wait for its end.
pub(super) fn runnable(rows: &[Row], statements: Vec<String>) -> Vec<String> {
    let Some(deferral) = deferral(rows) else { return statements };
    let begin = ["BEGIN", deferral].map(str::to_owned);
    begin.into_iter().chain(statements).chain(["COMMIT".to_owned()]).collect()
}

impl Row {
    /// A new one, with nothing but defaults.
    pub(super) fn new(table: usize) -> Row {
        Row {
            table,
            values: BTreeMap::new(),
            of: None,
            ahead: Vec::new(),
            again: BTreeMap::new(),
            early: false,
            remade: BTreeSet::new(),
        }
    }

    /// What a column has, as far as that is known.
    pub(super) fn value(&self, number: i16) -> Option<&String> {
        if self.remade.contains(&number) {
            return None;
        }
        self.values.get(&number).or_else(|| self.of.as_ref()?.values.get(&number))
    }

    /// The columns that are given another value than the old row has.
    fn given(&self) -> impl Iterator<Item = (&i16, &String)> {
        let old = |number: &i16| self.of.as_ref().and_then(|old| old.values.get(number));
        self.values.iter().filter(move |(number, value)| old(number) != Some(*value))
    }

    /// Whether a column need not be given: it stays as it is, is NULL or has its default.
    pub(super) fn may_lack(&self, table: &Table, number: i16) -> bool {
        let column = table.columns.get(&number);
        let lacks = |column: &Column| !column.sequence && (column.default.is_some() || !column.not_null);
        self.of.is_some() || column.is_some_and(lacks)
    }

    /// Whether anything of an old row is changed.
    pub(super) fn differs(&self) -> bool {
        self.of.is_none() || self.given().next().is_some()
    }

    /// As statements, with what was done before and is done again.
    pub(super) fn statements(&self, schema: &Schema) -> impl Iterator<Item = String> {
        self.ahead.iter().cloned().chain([self.statement(schema)]).chain(self.update(schema))
    }

    /// The UPDATE behind the INSERT, where there is one.
    pub(super) fn update(&self, schema: &Schema) -> Option<String> {
        let table = &schema.tables[self.table];
        let set = |(number, value): (&i16, &String)| Some(format!("{} = {value}", table.columns.get(number)?.name));
        let set: Vec<String> = self.again.iter().filter_map(set).collect();
        (!set.is_empty()).then(|| format!("UPDATE {} SET {}{}", table.name, set.join(", "), self.place(table)))
    }

    /// The condition that finds it by its key, from its ` WHERE` on; empty where no key is known.
    pub(super) fn place(&self, table: &Table) -> String {
        let known = |number: &i16| {
            let value = self.values.get(number).filter(|value| *value != "NULL")?;
            Some(format!("{} = {value}", table.columns.get(number)?.name))
        };
        let mut keys = table.unique.iter().filter(|key| !key.expression && key.predicate.is_none());
        let found = keys.find_map(|key| key.columns.iter().map(known).collect::<Option<Vec<_>>>());
        found.filter(|parts| !parts.is_empty()).map_or(String::new(), |parts| format!(" WHERE {}", parts.join(" AND ")))
    }

    /// As a statement; empty where an old row stays as it is.
    pub(super) fn statement(&self, schema: &Schema) -> String {
        let table = &schema.tables[self.table];
        let named = |column: &i16| table.columns.get(column).map_or("", |column| column.name.as_str());
        if let Some(old) = &self.of {
            let changes: Vec<String> =
                self.given().map(|(column, value)| format!("{} = {value}", named(column))).collect();
            return match changes.as_slice() {
                [] => String::new(),
                changes => format!("UPDATE {} SET {}{}", table.name, changes.join(", "), old.place),
            };
        }
        if self.values.is_empty() {
            return format!("INSERT INTO {} DEFAULT VALUES", table.name);
        }
        let names: Vec<&str> = self.values.keys().map(named).collect();
        let overriding =
            self.values.keys().any(|column| table.columns.get(column).is_some_and(|column| column.identity));
        let overriding = if overriding { " OVERRIDING SYSTEM VALUE" } else { "" };
        let values: Vec<&str> = self.values.values().map(String::as_str).collect();
        format!("INSERT INTO {} ({}){overriding} VALUES ({})", table.name, names.join(", "), values.join(", "))
    }
}
