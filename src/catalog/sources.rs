//! Where the versions of catalog rows come from: every catalog that a schema is made of.
//!
//! Which objects count (not the system's, not an extension's) is decided on the client: that is several times faster than
//! asking the server for it.

use super::sections::{Class, Version};

/// What a source's rows are for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum For {
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

pub(super) struct Source {
    /// The oldest version that has it.
    pub(super) min: u32,
    pub(super) rows: For,
    /// `oid`, `up`, `sub` and what to read them from, where `r` is the row whose version counts.
    oid: &'static str,
    up: &'static str,
    sub: &'static str,
    pub(super) from: &'static str,
}

const fn source(rows: For, oid: &'static str, up: &'static str, sub: &'static str, from: &'static str) -> Source {
    Source { min: 12, rows, oid, up, sub, from }
}

impl Source {
    /// Whether no two rows of it have the same `oid`, `up` and `sub`, because a unique index of the catalog says so.
    pub(super) fn is_keyed(&self) -> bool {
        let column = self.from.starts_with("pg_attribute ") || self.from.starts_with("pg_attrdef ");
        self.oid == "r.oid" && !self.has_no_versions() || column
    }

    /// Whether its rows say by content, and not by `xmin`, that they have changed.
    pub(super) fn has_no_versions(&self) -> bool {
        self.from.starts_with('(')
    }

    /// Whether a row may change its content and keep its version, on this version of the server.
    pub(super) fn is_overwritten(&self, version: Version) -> bool {
        // The validity of an index.
        version.major < 14 && self.from.starts_with("pg_index ")
    }

    /// The query for the source number `at`: how many rows it has, and those of them that no transaction before `$1` wrote;
    /// all of them for the sources in `$2`.
    pub(super) fn sql(&self, at: usize) -> String {
        let Source { oid, up, sub, from, .. } = self;
        format!(
            "select {at}::int4, count(*), \
             array_agg(row(({oid})::oid, ({up})::oid, ({sub})::int4, r.xmin, r.ctid)) \
             filter (where {at} = any($2::int4[]) or pg_catalog.age(r.xmin) <= pg_catalog.age($1::xid)) from {from}"
        )
    }
}

/// Users' objects have oids from 16384 on, which an index finds; the schema `public` (2200) is one that users change.
/// The order counts: what is a known schema or relation is asked by those after it.
pub(super) const SOURCES: &[Source] = &[
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
    // The name of its multirange.
    Source {
        min: 14,
        ..source(
            For::Of(Class::Type),
            "x.rngtypid",
            "0",
            "1",
            "pg_range x join pg_type r on r.oid = x.rngmultitypid where x.rngtypid >= 16384",
        )
    },
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
    // Before 15 a partition's part in its table's trigger counts as the server's own.
    Source {
        min: 13,
        ..source(
            For::OnRelation(Class::Trigger),
            "r.oid",
            "r.tgrelid",
            "0",
            "pg_trigger r where r.tgisinternal and r.tgparentid <> 0 and r.tgconstraint = 0",
        )
    },
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
    // The cast of a range to its multirange comes and goes with it.
    source(
        For::InSchema(Class::Cast),
        "r.oid",
        "0",
        "0",
        "pg_cast r where r.oid >= 16384 and not exists (select from pg_proc p where p.oid = r.castfunc \
         and p.prolang = 12 and p.prosrc ~ '^multirange_constructor')",
    ),
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
    // A comment on a NOT NULL is one on its column.
    Source {
        min: 18,
        ..source(
            For::OfRelation,
            "k.conrelid",
            "0",
            "4",
            "pg_description r join pg_constraint k on k.oid = r.objoid and k.contype = 'n' and k.conrelid <> 0 \
             where r.objoid >= 16384 and r.classoid = 2606",
        )
    },
    source(
        For::Roles,
        "r.oid",
        "0",
        "hashtext(r.rolname::text)",
        "(select a.oid, a.rolname, '0'::xid as xmin, '(0,0)'::tid as ctid from pg_roles a) r",
    ),
];
