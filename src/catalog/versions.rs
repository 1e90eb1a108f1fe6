//! The versions of all catalog rows that a schema is made of, in one query.
//!
//! A row's version is its `xmin` and `ctid`: a transaction that writes a row twice leaves the same `xmin`. One row of the
//! answer holds all rows of one [`Source`] as arrays, which is several times faster than one row each. Which objects
//! count (not the system's, not an extension's) is decided here, on the client, for the same reason.

use std::collections::{HashMap, HashSet};
use std::error::Error as StdError;

use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Client, Statement};

use super::Error;
use super::sections::{Class, Version};
use super::snapshot::Unit;

/// What the catalog has now.
#[derive(Debug, Default)]
pub(super) struct Versions {
    pub(super) units: HashMap<Unit, u64>,
    pub(super) roles: HashMap<u32, i32>,
    /// The versions of what belongs to extensions, summed.
    pub(super) members: u64,
}

/// What a source's rows are for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum For {
    /// Schemas, and what is a system schema is not among them.
    Schemas,
    /// Relations: `sub` is the kind.
    Relations,
    /// Each row is a unit; `up` is its schema, or 0.
    InSchema(Class),
    /// Each row is a unit; `up` is its relation.
    OnRelation(Class),
    /// Each row is a unit; `up` is its type.
    OnType(Class),
    /// The rows belong to the relation `oid`.
    OfRelation,
    /// The rows belong to a unit of that class.
    Of(Class),
    /// The rows belong to the object `oid` of the catalog `up`.
    OfAny,
    /// `oid` of the catalog `up` belongs to an extension.
    Extension,
    /// Roles: `sub` is the name, hashed.
    Roles,
}

struct Source {
    /// The oldest version that has it.
    min: u32,
    rows: For,
    /// `oid`, `up`, `sub` and what to read them from, where `r` is the row whose version counts.
    oid: &'static str,
    up: &'static str,
    sub: &'static str,
    from: &'static str,
}

const fn source(rows: For, oid: &'static str, up: &'static str, sub: &'static str, from: &'static str) -> Source {
    Source { min: 12, rows, oid, up, sub, from }
}

/// Users' objects have oids from 16384 on, which an index finds; the schema `public` (2200) is one that users change.
/// The order counts: what is a known schema or relation is asked by those after it.
const SOURCES: &[Source] = &[
    source(For::Extension, "r.objid", "r.classid", "0", "pg_depend r where r.refclassid = 3079 and r.deptype = 'e'"),
    source(
        For::Schemas,
        "r.oid",
        "0",
        "0",
        "pg_namespace r where r.nspname !~ '^pg_' and r.nspname <> 'information_schema'",
    ),
    source(
        For::Relations,
        "r.oid",
        "r.relnamespace",
        "r.relkind::int4",
        "pg_class r where r.oid >= 16384 and r.relkind <> 't'",
    ),
    source(For::OfRelation, "r.attrelid", "0", "r.attnum", "pg_attribute r where r.attrelid >= 16384 and r.attnum > 0"),
    source(For::OfRelation, "r.adrelid", "0", "r.adnum", "pg_attrdef r"),
    source(For::OfRelation, "r.inhrelid", "0", "r.inhseqno", "pg_inherits r"),
    source(For::OfRelation, "r.partrelid", "0", "0", "pg_partitioned_table r"),
    source(For::OfRelation, "r.seqrelid", "0", "0", "pg_sequence r"),
    source(For::OfRelation, "r.ftrelid", "0", "0", "pg_foreign_table r"),
    // The options of a toast table, which is named after its table.
    source(
        For::OfRelation,
        "substr(r.relname, 10)",
        "0",
        "0",
        "pg_class r where r.oid >= 16384 and r.relkind = 't' and r.reloptions is not null and r.relname ~ '^pg_toast_\\d+$'",
    ),
    // Before 14 the validity of an index is overwritten in place: same row version, other content.
    source(
        For::OfRelation,
        "r.indexrelid",
        "0",
        "r.indisvalid::int4 * 2 + r.indisready::int4",
        "pg_index r where r.indexrelid >= 16384",
    ),
    source(
        For::OfRelation,
        "r.ev_class",
        "0",
        "0",
        "pg_rewrite r where r.ev_class >= 16384 and r.rulename = '_RETURN'",
    ),
    source(
        For::OnRelation(Class::Rule),
        "r.oid",
        "r.ev_class",
        "0",
        "pg_rewrite r where r.ev_class >= 16384 and r.rulename <> '_RETURN'",
    ),
    source(
        For::InSchema(Class::Type),
        "r.oid",
        "r.typnamespace",
        "0",
        "pg_type r where r.oid >= 16384 and r.typtype in ('b', 'd', 'e', 'r') and r.typinput <> 'array_in'::regproc",
    ),
    source(For::OfRelation, "r.typrelid", "0", "1", "pg_type r where r.oid >= 16384 and r.typtype = 'c'"),
    source(For::Of(Class::Type), "r.enumtypid", "0", "0", "pg_enum r"),
    source(For::Of(Class::Type), "r.rngtypid", "0", "0", "pg_range r where r.rngtypid >= 16384"),
    source(
        For::OnRelation(Class::Constraint),
        "r.oid",
        "r.conrelid",
        "0",
        "pg_constraint r where r.oid >= 16384 and r.conrelid <> 0 and r.contype not in ('t', 'n')",
    ),
    // A constraint's index is told by its constraint, and a not-null constraint (from 18 on) by its column.
    source(
        For::OfRelation,
        "case when r.contype = 'n' then r.conrelid else r.conindid end",
        "0",
        "2",
        "pg_constraint r where r.oid >= 16384 and r.contype in ('n', 'p', 'u', 'x')",
    ),
    source(
        For::OnType(Class::Constraint),
        "r.oid",
        "r.contypid",
        "0",
        "pg_constraint r where r.oid >= 16384 and r.contypid <> 0 and r.contype <> 'n'",
    ),
    source(For::OnRelation(Class::Trigger), "r.oid", "r.tgrelid", "0", "pg_trigger r where not r.tgisinternal"),
    // `DISABLE TRIGGER ALL` turns foreign keys off.
    source(For::Of(Class::Constraint), "r.tgconstraint", "0", "1", "pg_trigger r where r.tgisinternal"),
    source(For::OnRelation(Class::Policy), "r.oid", "r.polrelid", "0", "pg_policy r"),
    // The constructors of ranges come and go with their types.
    source(
        For::InSchema(Class::Function),
        "r.oid",
        "r.pronamespace",
        "0",
        "pg_proc r where r.oid >= 16384 and not (r.prolang = 12 and r.prosrc ~ '^(multi)?range_constructor')",
    ),
    source(For::Of(Class::Function), "r.aggfnoid", "0", "0", "pg_aggregate r where r.aggfnoid >= 16384"),
    source(For::InSchema(Class::Statistics), "r.oid", "r.stxnamespace", "0", "pg_statistic_ext r"),
    source(For::InSchema(Class::Extension), "r.oid", "0", "0", "pg_extension r"),
    source(For::InSchema(Class::DefaultPrivileges), "r.oid", "0", "0", "pg_default_acl r"),
    source(For::InSchema(Class::Publication), "r.oid", "0", "0", "pg_publication r"),
    source(For::Of(Class::Publication), "r.prpubid", "0", "0", "pg_publication_rel r"),
    Source { min: 15, ..source(For::Of(Class::Publication), "r.pnpubid", "0", "1", "pg_publication_namespace r") },
    source(For::InSchema(Class::EventTrigger), "r.oid", "0", "0", "pg_event_trigger r"),
    source(For::InSchema(Class::Cast), "r.oid", "0", "0", "pg_cast r where r.oid >= 16384"),
    source(For::InSchema(Class::Transform), "r.oid", "0", "0", "pg_transform r"),
    source(For::InSchema(Class::Language), "r.oid", "0", "0", "pg_language r where r.oid >= 16384"),
    source(For::InSchema(Class::AccessMethod), "r.oid", "0", "0", "pg_am r where r.oid >= 16384"),
    source(For::InSchema(Class::Operator), "r.oid", "r.oprnamespace", "0", "pg_operator r where r.oid >= 16384"),
    source(For::InSchema(Class::Opclass), "r.oid", "r.opcnamespace", "0", "pg_opclass r where r.oid >= 16384"),
    source(For::InSchema(Class::Opfamily), "r.oid", "r.opfnamespace", "0", "pg_opfamily r where r.oid >= 16384"),
    source(For::Of(Class::Opfamily), "r.amopfamily", "0", "0", "pg_amop r where r.oid >= 16384"),
    source(For::Of(Class::Opfamily), "r.amprocfamily", "0", "1", "pg_amproc r where r.oid >= 16384"),
    source(For::InSchema(Class::Collation), "r.oid", "r.collnamespace", "0", "pg_collation r where r.oid >= 16384"),
    source(For::InSchema(Class::Conversion), "r.oid", "r.connamespace", "0", "pg_conversion r where r.oid >= 16384"),
    source(For::InSchema(Class::SearchParser), "r.oid", "r.prsnamespace", "0", "pg_ts_parser r where r.oid >= 16384"),
    source(
        For::InSchema(Class::SearchTemplate),
        "r.oid",
        "r.tmplnamespace",
        "0",
        "pg_ts_template r where r.oid >= 16384",
    ),
    source(
        For::InSchema(Class::SearchDictionary),
        "r.oid",
        "r.dictnamespace",
        "0",
        "pg_ts_dict r where r.oid >= 16384",
    ),
    source(For::InSchema(Class::SearchConfig), "r.oid", "r.cfgnamespace", "0", "pg_ts_config r where r.oid >= 16384"),
    source(For::Of(Class::SearchConfig), "r.mapcfg", "0", "0", "pg_ts_config_map r where r.mapcfg >= 16384"),
    source(For::InSchema(Class::Wrapper), "r.oid", "0", "0", "pg_foreign_data_wrapper r"),
    source(For::InSchema(Class::Server), "r.oid", "0", "0", "pg_foreign_server r"),
    // Only superusers read the catalog itself, so the content takes the place of the version.
    source(
        For::InSchema(Class::UserMapping),
        "r.umid",
        "0",
        "hashtext(r.umoptions::text)",
        "(select m.umid, m.umoptions, '0'::xid as xmin, '(0,0)'::tid as ctid from pg_user_mappings m) r",
    ),
    // Comments.
    source(
        For::OfAny,
        "r.objoid",
        "r.classoid",
        "r.objsubid",
        "pg_description r where r.objoid >= 16384 or (r.objoid = 2200 and r.classoid = 2615)",
    ),
    // A composite type is a relation here, its comment one of the type.
    source(
        For::OfRelation,
        "t.typrelid",
        "0",
        "3",
        "pg_description r join pg_type t on t.oid = r.objoid and t.typrelid <> 0 \
         where r.objoid >= 16384 and r.classoid = 1247",
    ),
    source(
        For::Roles,
        "r.oid",
        "0",
        "hashtext(r.rolname::text)",
        "(select a.oid, a.rolname, '0'::xid as xmin, '(0,0)'::tid as ctid from pg_roles a) r",
    ),
];

/// The query, for [`read`].
pub(super) fn sql(version: Version) -> String {
    let one = |(i, s): (usize, &Source)| {
        let Source { oid, up, sub, from, .. } = s;
        format!(
            "select {i}::int4, array_agg(({oid})::oid), array_agg(({up})::oid), array_agg(({sub})::int4), \
             array_agg(r.xmin), array_agg(r.ctid) from {from}"
        )
    };
    let known = SOURCES.iter().enumerate().filter(|(_, s)| version.major >= s.min);
    known.map(one).collect::<Vec<_>>().join("\nunion all\n")
}

/// Reads the versions of all rows.
pub(super) async fn read(client: &Client, statement: &Statement) -> Result<Versions, Error> {
    let rows = client.query(statement, &[]).await?;
    let mut state = State::default();
    // `union all` without a sort gives its branches in order; nothing promises it.
    let mut parts = Vec::with_capacity(rows.len());
    for row in &rows {
        let at: i32 = row.try_get(0)?;
        let source = usize::try_from(at).ok().and_then(|i| SOURCES.get(i)).ok_or(Error::Form("source"))?;
        let Some(oids) = row.try_get::<_, Option<Array<'_>>>(1)? else { continue };
        parts.push((at, source, [oids, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?, row.try_get(5)?]));
    }
    parts.sort_by_key(|(at, ..)| *at);
    for (at, source, [oid, up, sub, xmin, ctid]) in parts {
        let rows = oid.zip(up).zip(sub).zip(xmin).zip(ctid);
        for ((((oid, up), sub), xmin), ctid) in rows {
            let [oid, up, xmin] = [oid, up, xmin].map(|b| b.try_into().map(u32::from_be_bytes));
            let sub = sub.try_into().map(i32::from_be_bytes);
            let (Ok(oid), Ok(up), Ok(xmin), Ok(sub)) = (oid, up, xmin, sub) else { return Err(Error::Form("row")) };
            let mut tid = [0; 8];
            tid[..ctid.len().min(8)].copy_from_slice(&ctid[..ctid.len().min(8)]);
            let place = (u64::from(at.unsigned_abs()) << 32) | u64::from(sub.cast_unsigned());
            let version = mix(mix(mix(place) ^ u64::from(xmin)) ^ u64::from_be_bytes(tid));
            state.add(source.rows, oid, up, sub, version);
        }
    }
    Ok(state.versions)
}

/// The finaliser of splitmix64: a row's version in 64 well-spread bits, so that a unit's can be their sum in any order.
fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[derive(Default)]
struct State {
    versions: Versions,
    extension: HashSet<(u32, u32)>,
    schemas: HashSet<u32>,
    relations: HashMap<u32, Unit>,
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

/// A one-dimensional array as it came, to be read without a copy.
struct Array<'a>(&'a [u8]);

impl<'a> Array<'a> {
    fn zip<'b>(self, other: Array<'b>) -> std::iter::Zip<Array<'a>, Array<'b>> {
        Iterator::zip(self, other)
    }
}

impl<'a> FromSql<'a> for Array<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        // Dimensions, whether there are nulls, element type; then size and lower bound of the one dimension.
        match raw.split_at_checked(12) {
            Some(([0, 0, 0, 0, ..], _)) => Ok(Self(&[])),
            Some(([0, 0, 0, 1, ..], rest)) if rest.len() >= 8 => Ok(Self(&rest[8..])),
            _ => Err("not an array of one dimension".into()),
        }
    }

    fn accepts(ty: &Type) -> bool {
        [Type::OID_ARRAY, Type::INT4_ARRAY, Type::XID_ARRAY, Type::TID_ARRAY].contains(ty)
    }
}

impl<'a> Iterator for Array<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.0.split_first_chunk::<4>()?;
        // A null has the length -1; no source gives one.
        let (value, rest) = rest.split_at_checked(usize::try_from(i32::from_be_bytes(*len)).ok()?)?;
        self.0 = rest;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_read_element_by_element_and_a_torn_one_ends_early() {
        let mut raw = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0, 0, 0, 2, 0, 0, 0, 1];
        raw.extend([0, 0, 0, 4, 0, 0, 0, 7, 0, 0, 0, 4, 0, 0, 1, 0]);
        let read =
            |raw: &[u8]| Array::from_sql(&Type::INT4_ARRAY, raw).map(|a| a.map(<[u8]>::to_vec).collect::<Vec<_>>());
        assert_eq!(read(&raw).ok(), Some(vec![vec![0, 0, 0, 7], vec![0, 0, 1, 0]]));
        assert_eq!(read(&raw[..30]).ok(), Some(vec![vec![0, 0, 0, 7]]));
        assert!(read(&raw[..16]).is_err());
    }

    #[test]
    fn the_sum_of_versions_does_not_depend_on_order_but_on_every_row() {
        let rows = [3, 1, 2].map(mix);
        let sum = |rows: &[u64]| rows.iter().fold(0u64, |a, b| a.wrapping_add(*b));
        assert_eq!(sum(&rows), sum(&[rows[2], rows[0], rows[1]]));
        assert_ne!(sum(&rows), sum(&rows[1..]));
    }
}
