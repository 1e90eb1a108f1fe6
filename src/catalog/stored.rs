//! Snapshots in a form that outlives the process, for the templates that are kept with their cluster.
//!
//! Only the build of migd that wrote it reads it: nothing in it says what it means.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::object::{Field, Object};
use super::sections::Class;
use super::snapshot::{Entry, Inner, Line, Snapshot, Unit};
use super::versions::Rows;

/// Several snapshots, with what they share.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Stored {
    /// What the values of objects are, each list once.
    fields: Vec<Vec<Field>>,
    snapshots: Vec<StoredSnapshot>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredSnapshot {
    /// Snapshots of one line have the same number.
    line: usize,
    members: u64,
    roles: Vec<(u32, i32)>,
    rows: Rows,
    /// Class, oid, version, objects.
    units: Vec<(Class, u32, u64, Vec<StoredObject>)>,
}

/// Kind, name, parent, slot, which list of fields, values.
#[derive(Debug, Serialize, Deserialize)]
struct StoredObject(Box<str>, Box<str>, Option<Box<str>>, i32, usize, Box<[Option<Box<str>>]>);

impl Stored {
    /// From these, in this order.
    pub fn of<'a>(snapshots: impl IntoIterator<Item = &'a Snapshot>) -> Stored {
        let mut stored = Stored::default();
        let mut lists: HashMap<Arc<[Field]>, usize> = HashMap::new();
        let mut lines: Vec<Arc<Line>> = Vec::new();
        for Snapshot(inner) in snapshots {
            let known = lines.iter().position(|line| Arc::ptr_eq(line, &inner.line));
            let line = known.unwrap_or_else(|| {
                lines.push(Arc::clone(&inner.line));
                lines.len() - 1
            });
            let mut object = |object: &Object| {
                let next = stored.fields.len();
                let list = *lists.entry(Arc::clone(&object.fields)).or_insert(next);
                if list == next {
                    stored.fields.push(object.fields.to_vec());
                }
                let Object { kind, name, parent, slot, values, .. } = object.clone();
                StoredObject(kind, name, parent, slot, list, values)
            };
            let units = inner.units.iter();
            let units = units
                .map(|(unit, entry)| {
                    (unit.class, unit.oid, entry.version, entry.objects.iter().map(&mut object).collect())
                })
                .collect();
            let roles = inner.roles.iter().map(|(oid, name)| (*oid, *name)).collect();
            stored.snapshots.push(StoredSnapshot {
                line,
                members: inner.members,
                roles,
                rows: inner.rows.clone(),
                units,
            });
        }
        stored
    }

    /// The snapshots, in the order in which they were given; none when this is not what was written.
    pub fn snapshots(self) -> Option<Vec<Snapshot>> {
        let lists: Vec<Arc<[Field]>> = self.fields.into_iter().map(Arc::from).collect();
        let mut lines: HashMap<usize, Arc<Line>> = HashMap::new();
        let object = |StoredObject(kind, name, parent, slot, list, values)| {
            let fields = lists.get(list).filter(|fields| fields.len() == values.len())?;
            Some(Object { kind, name, parent, slot, fields: Arc::clone(fields), values })
        };
        let snapshot = |stored: StoredSnapshot| {
            let units = stored.units.into_iter().map(|(class, oid, version, objects)| {
                let objects = objects.into_iter().map(object).collect::<Option<Arc<[Object]>>>()?;
                Some((Unit { class, oid }, Entry { version, objects }))
            });
            Some(Snapshot(Arc::new(Inner {
                units: units.collect::<Option<_>>()?,
                roles: stored.roles.into_iter().collect(),
                members: stored.members,
                rows: stored.rows,
                line: Arc::clone(lines.entry(stored.line).or_default()),
            })))
        };
        self.snapshots.into_iter().map(snapshot).collect()
    }
}
