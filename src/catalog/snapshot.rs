//! A snapshot: everything that a database's schema is, at one moment.

use std::collections::HashMap;
use std::sync::Arc;

use super::object::Object;
use super::sections::Class;
use super::versions::{Rows, Spread};

/// A database's schema at one moment. Cloning it is free.
#[derive(Debug, Clone)]
pub struct Snapshot(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) units: HashMap<Unit, Entry, Spread>,
    /// The roles' names, hashed: owners and grants are kept as text, so a renamed role makes all of them stale.
    pub(super) roles: HashMap<u32, i32>,
    /// The versions of all members of extensions.
    pub(super) members: u64,
    /// The catalog rows that all of it was made from.
    pub(super) rows: Rows,
    /// The same for all snapshots that were read since a first one: their oids mean the same.
    pub(super) line: Arc<Line>,
}

/// Told from others by its address, so it must have a size.
#[derive(Debug, Default)]
pub(super) struct Line(#[allow(dead_code)] u8);

/// What is deparsed as one: a catalog row of some class, by oid, with all rows that belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Unit {
    pub(super) class: Class,
    pub(super) oid: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The versions of its rows, hashed.
    pub(super) version: u64,
    pub(super) objects: Arc<[Object]>,
}

impl Snapshot {
    /// What nothing is known of yet: a base since which everything has changed.
    pub fn unread() -> Self {
        let (units, roles, rows) = (HashMap::default(), HashMap::new(), Rows::default());
        Snapshot(Arc::new(Inner { units, roles, members: 0, rows, line: Arc::default() }))
    }

    /// All objects, sorted by kind and name.
    pub fn objects(&self) -> Vec<&Object> {
        let mut all: Vec<&Object> = self.0.units.values().flat_map(|e| e.objects.iter()).collect();
        all.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
        all
    }

    /// Whether both are the same schema to the letter, cosmetic attributes included.
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.objects() == other.objects()
    }

    /// Whether the oids of both mean the same, so that what has another name under its old oid was renamed.
    pub(super) fn related(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0.line, &other.0.line)
    }

    /// Whether statements are seen by programs of the database's own.
    pub fn has_event_triggers(&self) -> bool {
        self.0.units.keys().any(|unit| unit.class == Class::EventTrigger)
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.0.units.values().map(|e| e.objects.len()).sum()
    }

    /// Whether there are no objects at all, which no database of PostgreSQL has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
