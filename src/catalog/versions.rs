//! The versions of all catalog rows that a schema is made of, in one query.
//!
//! A row's version is its `xmin` and `ctid`: a transaction that writes a row twice leaves the same `xmin`. One row of the
//! answer holds all rows of one [`Source`] in an array, which is several times faster than one row each.
//!
//! After a first reading only what later transactions wrote is sent, and how many rows there are: rows that were there
//! before can only have gone. Where as many are left as must be, they are the same ones; where fewer are, and what has
//! replaced them does not account for it, the source is read as a whole.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::error::Error as StdError;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use bytes::BytesMut;
use serde::{Deserialize, Serialize};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Statement};

use super::Error;
use super::sections::{Class, Version};
use super::snapshot::Unit;
use super::sources::{For, SOURCES, Source};

/// What the catalog has now.
#[derive(Debug, Default)]
pub(super) struct Versions {
    pub(super) units: HashMap<Unit, u64, Spread>,
    pub(super) roles: HashMap<u32, i32>,
    /// The versions of what belongs to extensions, summed.
    pub(super) members: u64,
    pub(super) rows: Rows,
    /// Whether every row is as it was in the base.
    pub(super) unchanged: bool,
}

/// All rows at one moment, by source.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(into = "StoredRows", from = "StoredRows")]
pub(super) struct Rows {
    sources: HashMap<usize, Arc<[Row]>>,
    /// Every transaction before this one had ended when the rows were read.
    horizon: u32,
}

/// A row's `oid`, `up`, `sub`, `xmin` and `tid`.
type StoredRow = (u32, u32, i32, u32, u64);

/// The horizon; and the rows by source.
#[derive(Serialize, Deserialize)]
struct StoredRows(u32, Vec<(usize, Vec<StoredRow>)>);

impl From<Rows> for StoredRows {
    fn from(rows: Rows) -> Self {
        let row = |row: &Row| (row.oid, row.up, row.sub, row.xmin, row.tid);
        let source = |(at, rows): (usize, Arc<[Row]>)| (at, rows.iter().map(row).collect());
        Self(rows.horizon, rows.sources.into_iter().map(source).collect())
    }
}

impl From<StoredRows> for Rows {
    fn from(StoredRows(horizon, sources): StoredRows) -> Self {
        let row = |(oid, up, sub, xmin, tid)| Row { oid, up, sub, xmin, tid };
        let source = |(at, rows): (usize, Vec<_>)| (at, rows.into_iter().map(row).collect());
        Self { sources: sources.into_iter().map(source).collect(), horizon }
    }
}

impl Rows {
    /// Whether both are the same rows in the same versions.
    fn same(&self, other: &Self) -> bool {
        let same = |at, rows: &Arc<[Row]>| {
            other.sources.get(at).is_some_and(|others| Arc::ptr_eq(rows, others) || rows == others)
        };
        self.sources.len() == other.sources.len() && self.sources.iter().all(|(at, rows)| same(at, rows))
    }
}

/// One catalog row.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Row {
    oid: u32,
    up: u32,
    sub: i32,
    xmin: u32,
    tid: u64,
}

impl Row {
    /// What stays when the row is written anew, where the source is keyed.
    fn key(&self) -> (u32, u32, i32) {
        (self.oid, self.up, self.sub)
    }

    /// Whether a transaction before `horizon` wrote it, as the server's `age` has it.
    fn is_before(&self, horizon: u32) -> bool {
        // The first three transactions are those of the system and of rows that were frozen.
        self.xmin < 3 || (horizon.wrapping_sub(self.xmin).cast_signed()) > 0
    }

    fn version(&self, at: usize) -> u64 {
        let place = ((at as u64) << 32) | u64::from(self.sub.cast_unsigned());
        mix(mix(mix(place) ^ u64::from(self.xmin)) ^ self.tid)
    }
}

/// The query, for [`read`]; of these sources only, if they are given.
pub(super) fn sql(version: Version, only: Option<&BTreeSet<usize>>) -> String {
    let wanted = |at: &usize| only.is_none_or(|only| only.contains(at));
    let known = SOURCES.iter().enumerate().filter(|(at, source)| version.major >= source.min && wanted(at));
    let mut parts: Vec<String> = known.map(|(at, source)| source.sql(at)).collect();
    // Before everything else, so that nothing is missed that is written meanwhile.
    let horizon = "select -1, pg_catalog.txid_snapshot_xmin(pg_catalog.txid_current_snapshot()) & 4294967295, null";
    parts.push(horizon.to_owned());
    parts.join("\nunion all\n")
}

/// Reads the versions of all rows; `base`: rows of this database, or of one that it was copied from, whose rows are as they
/// were in the sources that `statement` does not ask for.
pub(super) async fn read(
    client: &Client,
    statement: &Statement,
    version: Version,
    base: Option<&Rows>,
) -> Result<Versions, Error> {
    let whole = |(at, source): (usize, &Source)| {
        let always = source.has_no_versions() || source.is_overwritten(version);
        (base.is_none() || always).then_some(at)
    };
    let whole: HashSet<usize> = SOURCES.iter().enumerate().filter_map(whole).collect();
    let (mut rows, torn) = read_since(client, statement, base, &whole).await?;
    if !torn.is_empty() {
        let torn: HashSet<usize> = torn.into_iter().collect();
        let (again, _) = read_since(client, statement, base, &torn).await?;
        rows.sources.extend(again.sources.into_iter().filter(|(at, _)| torn.contains(at)));
    }
    for (at, known) in base.into_iter().flat_map(|base| &base.sources) {
        rows.sources.entry(*at).or_insert_with(|| Arc::clone(known));
    }
    if base.is_some_and(|base| rows.same(base)) {
        return Ok(Versions { rows, unchanged: true, ..Versions::default() });
    }
    let mut state = State::default();
    // Whether a row counts is known from the sources before it.
    for (at, source) in SOURCES.iter().enumerate() {
        for row in rows.sources.get(&at).into_iter().flat_map(|rows| rows.iter()) {
            state.add(source.rows, row.oid, row.up, row.sub, row.version(at));
        }
    }
    Ok(Versions { rows, ..state.versions })
}

/// Has the server answer what [`read`] asks, and does nothing with it.
pub(super) async fn rehearse(client: &Client, statement: &Statement, base: &Rows) -> Result<(), Error> {
    let none: &[i32] = &[];
    Ok(client.query(statement, &[&Xid(base.horizon), &none]).await.map(drop)?)
}

/// The rows, those of `base` with what has been written since; the sources in `whole` anew. And the sources of which more
/// is gone than that tells.
async fn read_since(
    client: &Client,
    statement: &Statement,
    base: Option<&Rows>,
    whole: &HashSet<usize>,
) -> Result<(Rows, Vec<usize>), Error> {
    let numbers: Vec<i32> = whole.iter().filter_map(|at| i32::try_from(*at).ok()).collect();
    let horizon = base.map_or(0, |base| base.horizon);
    let (mut rows, mut torn) = (Rows::default(), Vec::new());
    for row in client.query(statement, &[&Xid(horizon), &numbers]).await? {
        let (at, count): (i32, i64) = (row.try_get(0)?, row.try_get(1)?);
        let Ok(at) = usize::try_from(at) else {
            rows.horizon = u32::try_from(count).map_err(|_| Error::Form("horizon"))?;
            continue;
        };
        let source = SOURCES.get(at).ok_or(Error::Form("source"))?;
        let written = row.try_get::<_, Option<Written>>(2)?.map(|written| written.0).unwrap_or_default();
        let before = base.and_then(|base| base.sources.get(&at));
        let now = match before {
            Some(before) if !whole.contains(&at) => {
                let count = usize::try_from(count).map_err(|_| Error::Form("count"))?;
                match since(before, written, count, horizon, source.is_keyed()) {
                    Some(now) => now,
                    None => {
                        torn.push(at);
                        continue;
                    }
                }
            }
            _ => written.into(),
        };
        rows.sources.insert(at, now);
    }
    Ok((rows, torn))
}

/// The `count` rows that there are now: those `before` that are left, and those `written` since `horizon`. None when that
/// does not tell which are left.
fn since(before: &Arc<[Row]>, written: Vec<Row>, count: usize, horizon: u32, keyed: bool) -> Option<Arc<[Row]>> {
    let old = before.iter().filter(|row| row.is_before(horizon));
    let there = old.clone().count();
    let left = count.checked_sub(written.len())?;
    if written.is_empty() && left == before.len() && there == left {
        return Some(Arc::clone(before));
    }
    // Two rows with one key cannot be there at once: the one that was there before is gone.
    let keys: HashSet<_> = if keyed { written.iter().map(Row::key).collect() } else { HashSet::new() };
    let kept: Vec<Row> = old.filter(|row| !keys.contains(&row.key())).copied().collect();
    (kept.len() == left).then(|| kept.into_iter().chain(written).collect())
}

/// The finaliser of splitmix64: a row's version in 64 well-spread bits, so that a unit's can be their sum in any order.
fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Hashes what tells catalog rows apart. The server gives these numbers, so nobody can choose them badly on purpose, and
/// there are thousands to look up in every reading.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbers(u64);

/// For maps of such numbers.
pub(super) type Spread = BuildHasherDefault<Numbers>;

impl Hasher for Numbers {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = mix(self.0 ^ value);
    }

    fn write_isize(&mut self, value: isize) {
        self.write_u64(value.cast_unsigned() as u64);
    }
}

#[derive(Default)]
struct State {
    versions: Versions,
    extension: HashSet<(u32, u32), Spread>,
    schemas: HashSet<u32, Spread>,
    relations: HashMap<u32, Unit, Spread>,
}

impl State {
    fn add(&mut self, rows: For, oid: u32, up: u32, sub: i32, version: u64) {
        match rows {
            For::Extension => drop(self.extension.insert((up, oid))),
            For::Roles => drop(self.versions.roles.insert(oid, sub)),
            For::Schemas => {
                self.schemas.insert(oid);
                self.define(Class::Schema, oid, version);
            }
            For::Relations => {
                if let (true, Some(class)) = (self.schemas.contains(&up), relation(sub))
                    && self.define(class, oid, version)
                {
                    self.relations.insert(oid, Unit { class, oid });
                }
            }
            For::InSchema(class) => {
                if up == 0 || self.schemas.contains(&up) {
                    self.define(class, oid, version);
                }
            }
            For::OnRelation(class) => {
                if self.relations.contains_key(&up) {
                    self.define(class, oid, version);
                }
            }
            For::OnType(class) => {
                if self.versions.units.contains_key(&Unit { class: Class::Type, oid: up }) {
                    self.define(class, oid, version);
                }
            }
            For::OfRelation => {
                if let Some(unit) = self.relations.get(&oid) {
                    self.touch(*unit, version);
                }
            }
            For::Of(class) => self.touch(Unit { class, oid }, version),
            For::OfAny => match catalog(up) {
                Some(Class::Table) => {
                    if let Some(unit) = self.relations.get(&oid) {
                        self.touch(*unit, version);
                    }
                }
                Some(class) => self.touch(Unit { class, oid }, version),
                None => {}
            },
        }
    }

    /// Adds a unit, unless an extension brought it.
    fn define(&mut self, class: Class, oid: u32, version: u64) -> bool {
        if self.extension.contains(&(class.catalog(), oid)) {
            self.versions.members = self.versions.members.wrapping_add(version);
            return false;
        }
        let unit = self.versions.units.entry(Unit { class, oid }).or_default();
        *unit = unit.wrapping_add(version);
        true
    }

    fn touch(&mut self, unit: Unit, version: u64) {
        if let Some(known) = self.versions.units.get_mut(&unit) {
            *known = known.wrapping_add(version);
        }
    }
}

/// The class of a relation by its `relkind`.
fn relation(kind: i32) -> Option<Class> {
    match u8::try_from(kind).ok()? {
        b'r' | b'p' | b'f' => Some(Class::Table),
        b'v' | b'm' => Some(Class::View),
        b'S' => Some(Class::Sequence),
        b'i' | b'I' => Some(Class::Index),
        b'c' => Some(Class::Composite),
        _ => None,
    }
}

/// The class that the rows of a catalog are, by the catalog's oid.
pub(super) fn catalog(oid: u32) -> Option<Class> {
    Class::ALL.iter().copied().find(|c| c.catalog() == oid)
}

/// A transaction's number, as the server takes it.
#[derive(Debug)]
struct Xid(u32);

impl ToSql for Xid {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.extend_from_slice(&self.0.to_be_bytes());
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::XID
    }

    to_sql_checked!();
}

/// An array of records, read without the types that every one of them repeats.
struct Written(Vec<Row>);

impl<'a> FromSql<'a> for Written {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        rows(raw).map(Written).ok_or_else(|| "not an array of catalog rows".into())
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::RECORD_ARRAY
    }
}

/// None when the bytes are something else.
fn rows(mut raw: &[u8]) -> Option<Vec<Row>> {
    // Dimensions, whether there are nulls, element type; then size and lower bound of the one dimension.
    let dimensions = word(&mut raw)?;
    raw = raw.get(8..)?;
    if dimensions == 0 {
        return Some(Vec::new());
    }
    let size = word(&mut raw)?;
    raw = raw.get(4..)?;
    let mut found = Vec::with_capacity(size.min(1 << 16) as usize);
    for _ in 0..size {
        // Its length, and how many fields it has.
        raw = raw.get(8..)?;
        let mut field = || {
            let _ = word(&mut raw)?;
            let length = usize::try_from(word(&mut raw)?).ok()?;
            let (value, rest) = raw.split_at_checked(length)?;
            raw = rest;
            Some(value)
        };
        let [oid, up, sub, xmin, tid] = [field()?, field()?, field()?, field()?, field()?];
        let number = |bytes: &[u8]| Some(u32::from_be_bytes(bytes.try_into().ok()?));
        let tid = tid.iter().fold(0, |tid, byte| tid << 8 | u64::from(*byte));
        found.push(Row {
            oid: number(oid)?,
            up: number(up)?,
            sub: number(sub)?.cast_signed(),
            xmin: number(xmin)?,
            tid,
        });
    }
    raw.is_empty().then_some(found)
}

fn word(raw: &mut &[u8]) -> Option<u32> {
    let (word, rest) = raw.split_first_chunk::<4>()?;
    *raw = rest;
    Some(u32::from_be_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(oid: u32, xmin: u32) -> Row {
        Row { oid, up: 0, sub: 0, xmin, tid: u64::from(oid) }
    }

    fn told(before: &[Row], written: &[Row], count: usize, keyed: bool) -> Option<Vec<Row>> {
        since(&before.into(), written.to_vec(), count, 100, keyed).map(|now| now.to_vec())
    }

    #[test]
    fn what_was_written_is_added_and_what_it_replaces_goes() {
        let before = [row(1, 10), row(2, 20)];
        assert_eq!(told(&before, &[], 2, true), Some(before.to_vec()), "nothing happened");
        assert_eq!(told(&before, &[row(3, 120)], 3, true), Some(vec![row(1, 10), row(2, 20), row(3, 120)]));
        assert_eq!(told(&before, &[row(2, 120)], 2, true), Some(vec![row(1, 10), row(2, 120)]));
        let young = [row(1, 10), row(2, 105)];
        assert_eq!(told(&young, &[row(2, 105)], 2, false), Some(young.to_vec()), "it is sent every time");
        assert_eq!(told(&young, &[], 1, false), Some(vec![row(1, 10)]), "and missing when it is gone");
    }

    #[test]
    fn what_is_gone_without_a_trace_is_not_guessed() {
        let before = [row(1, 10), row(2, 20)];
        assert_eq!(told(&before, &[], 1, true), None);
        assert_eq!(told(&before, &[row(3, 120)], 2, true), None);
        assert_eq!(
            told(&before, &[row(2, 120)], 2, false),
            None,
            "another with the same key may be the one that is left"
        );
        assert_eq!(told(&before, &[row(2, 120)], 1, true), None, "one was replaced and one is gone");
    }

    #[test]
    fn transactions_are_compared_beyond_the_end_of_their_numbers() {
        assert!(row(1, u32::MAX - 5).is_before(10) && !row(1, 10).is_before(u32::MAX - 5));
        assert!(row(1, 2).is_before(3_000_000_000), "a frozen row is old for ever");
    }

    #[test]
    fn an_array_is_read_record_by_record_and_a_torn_one_is_refused() {
        let mut raw = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 8, 201, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 66, 0, 0, 0, 5];
        for value in [&[0, 0, 0, 7][..], &[0, 0, 0, 8], &[255; 4], &[0, 0, 3, 0], &[0, 0, 0, 1, 0, 2]] {
            raw.extend([0, 0, 0, 26, 0, 0, 0, value.len() as u8]);
            raw.extend(value);
        }
        let wanted = Row { oid: 7, up: 8, sub: -1, xmin: 768, tid: 0x1_0002 };
        assert_eq!(rows(&raw), Some(vec![wanted]));
        assert!((0..raw.len()).all(|end| rows(&raw[..end]).is_none()));
    }

    #[test]
    fn the_sum_of_versions_does_not_depend_on_order_but_on_every_row() {
        let rows = [3, 1, 2].map(mix);
        let sum = |rows: &[u64]| rows.iter().fold(0u64, |a, b| a.wrapping_add(*b));
        assert_eq!(sum(&rows), sum(&[rows[2], rows[0], rows[1]]));
        assert_ne!(sum(&rows), sum(&rows[1..]));
    }
}
