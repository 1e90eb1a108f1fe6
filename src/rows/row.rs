//! One row of a counterexample: put in, or one that the chain itself has put in, changed.

use std::collections::BTreeMap;

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
}

/// A row that is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Old {
    /// SQL literals by column.
    pub(super) values: BTreeMap<i16, String>,
    /// The condition that finds it alone, from its ` WHERE` on; empty where there is no other.
    pub(super) place: String,
}

impl Row {
    /// A new one, with nothing but defaults.
    pub(super) fn new(table: usize) -> Row {
        Row { table, values: BTreeMap::new(), of: None, ahead: Vec::new() }
    }

    /// What a column has, as far as that is known.
    pub(super) fn value(&self, number: i16) -> Option<&String> {
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

    /// As statements, with what was done before.
    pub(super) fn statements(&self, schema: &Schema) -> impl Iterator<Item = String> {
        self.ahead.iter().cloned().chain([self.statement(schema)])
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
