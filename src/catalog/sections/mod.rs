//! The queries that deparse objects: one or two for each class of catalog rows.
//!
//! Each takes the oids of units (`$1`) and gives one row per object: the unit, the slot, the kind, the name, the parent's
//! key, and then one column per attribute whose alias says what it is ([`Field::parse`](super::object::Field::parse)).
//! All run with an empty `search_path`, so that no text depends on what else there is.

mod code;
mod foreign;
mod misc;
mod relations;
mod types;

use serde::{Deserialize, Serialize};

/// What unit a catalog row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Class {
    Schema,
    /// Ordinary, partitioned and foreign ones, with their columns.
    Table,
    /// Materialized ones too.
    View,
    Sequence,
    Index,
    Composite,
    Type,
    Constraint,
    Trigger,
    Rule,
    Policy,
    Function,
    Statistics,
    Extension,
    DefaultPrivileges,
    Publication,
    EventTrigger,
    Cast,
    Transform,
    Language,
    AccessMethod,
    Operator,
    Opclass,
    Opfamily,
    Collation,
    Conversion,
    SearchParser,
    SearchTemplate,
    SearchDictionary,
    SearchConfig,
    Wrapper,
    Server,
    UserMapping,
}

impl Class {
    /// All, `Table` before the other relations.
    pub(super) const ALL: &[Self] = &[
        Self::Schema,
        Self::Table,
        Self::View,
        Self::Sequence,
        Self::Index,
        Self::Composite,
        Self::Type,
        Self::Constraint,
        Self::Trigger,
        Self::Rule,
        Self::Policy,
        Self::Function,
        Self::Statistics,
        Self::Extension,
        Self::DefaultPrivileges,
        Self::Publication,
        Self::EventTrigger,
        Self::Cast,
        Self::Transform,
        Self::Language,
        Self::AccessMethod,
        Self::Operator,
        Self::Opclass,
        Self::Opfamily,
        Self::Collation,
        Self::Conversion,
        Self::SearchParser,
        Self::SearchTemplate,
        Self::SearchDictionary,
        Self::SearchConfig,
        Self::Wrapper,
        Self::Server,
        Self::UserMapping,
    ];

    /// Its catalog: the name and the oid, which is the same in all versions.
    pub(in crate::catalog) const fn home(self) -> (&'static str, u32) {
        match self {
            Self::Schema => ("pg_namespace", 2615),
            Self::Table | Self::View | Self::Sequence | Self::Index | Self::Composite => ("pg_class", 1259),
            Self::Type => ("pg_type", 1247),
            Self::Constraint => ("pg_constraint", 2606),
            Self::Trigger => ("pg_trigger", 2620),
            Self::Rule => ("pg_rewrite", 2618),
            Self::Policy => ("pg_policy", 3256),
            Self::Function => ("pg_proc", 1255),
            Self::Statistics => ("pg_statistic_ext", 3381),
            Self::Extension => ("pg_extension", 3079),
            Self::DefaultPrivileges => ("pg_default_acl", 826),
            Self::Publication => ("pg_publication", 6104),
            Self::EventTrigger => ("pg_event_trigger", 3466),
            Self::Cast => ("pg_cast", 2605),
            Self::Transform => ("pg_transform", 3576),
            Self::Language => ("pg_language", 2612),
            Self::AccessMethod => ("pg_am", 2601),
            Self::Operator => ("pg_operator", 2617),
            Self::Opclass => ("pg_opclass", 2616),
            Self::Opfamily => ("pg_opfamily", 2753),
            Self::Collation => ("pg_collation", 3456),
            Self::Conversion => ("pg_conversion", 2607),
            Self::SearchParser => ("pg_ts_parser", 3601),
            Self::SearchTemplate => ("pg_ts_template", 3764),
            Self::SearchDictionary => ("pg_ts_dict", 3600),
            Self::SearchConfig => ("pg_ts_config", 3602),
            Self::Wrapper => ("pg_foreign_data_wrapper", 2328),
            Self::Server => ("pg_foreign_server", 1417),
            Self::UserMapping => ("pg_user_mapping", 1418),
        }
    }

    /// The oid of its catalog.
    pub(super) const fn catalog(self) -> u32 {
        self.home().1
    }

    /// Whether few migrations ever change one: its queries are prepared when they are first needed.
    pub(super) fn rare(self) -> bool {
        self >= Self::Statistics
    }

    /// Whether other objects are told with its name or its columns' names: in their texts, or as what they go away with.
    pub(super) fn referenced(self) -> bool {
        !matches!(self, Self::Rule | Self::Policy)
    }

    /// Its queries.
    pub(super) fn queries(self, v: Version) -> Vec<String> {
        match self {
            Self::Schema => vec![relations::schemas()],
            Self::Table => vec![relations::tables(), relations::columns(v)],
            Self::View => vec![relations::views(), relations::view_columns()],
            Self::Sequence => vec![relations::sequences()],
            Self::Index => vec![relations::indexes()],
            Self::Constraint => vec![relations::constraints(v)],
            Self::Composite => vec![types::composites(), types::composite_attributes()],
            Self::Type => vec![types::types(v)],
            Self::Trigger => vec![code::triggers(v)],
            Self::Rule => vec![code::rules()],
            Self::Policy => vec![code::policies()],
            Self::Function => vec![code::functions(v)],
            Self::EventTrigger => vec![code::event_triggers()],
            Self::Language => vec![code::languages()],
            Self::Transform => vec![code::transforms()],
            Self::Statistics => vec![misc::statistics(v)],
            Self::Extension => vec![misc::extensions()],
            Self::DefaultPrivileges => vec![misc::default_privileges()],
            Self::Publication => vec![misc::publications(v)],
            Self::Collation => vec![misc::collations(v)],
            Self::Conversion => vec![misc::conversions()],
            Self::SearchParser => vec![misc::search_parsers()],
            Self::SearchTemplate => vec![misc::search_templates()],
            Self::SearchDictionary => vec![misc::search_dictionaries()],
            Self::SearchConfig => vec![misc::search_configs()],
            Self::Cast => vec![types::casts()],
            Self::AccessMethod => vec![types::access_methods()],
            Self::Operator => vec![types::operators()],
            Self::Opclass => vec![types::operator_classes()],
            Self::Opfamily => vec![types::operator_families()],
            Self::Wrapper => vec![foreign::wrappers()],
            Self::Server => vec![foreign::servers()],
            Self::UserMapping => vec![foreign::user_mappings()],
        }
    }
}

/// The server's version, as far as catalogs differ by it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Version {
    pub(super) major: u32,
}

impl Version {
    /// `new` from that version on, `old` before.
    fn pick<'a>(self, from: u32, new: &'a str, old: &'a str) -> &'a str {
        if self.major >= from { new } else { old }
    }
}

/// What rights there are beyond those that everyone has by default (none when there are none), one line each: verb,
/// privilege and role between tabs. No rights at all written down and the default rights written down are the same.
fn grants(kind: &str, acl: &str, owner: &str) -> String {
    rights(acl, owner, &format!("acldefault('{kind}', {owner})"))
}

/// [`grants`] over other default rights.
fn rights(acl: &str, owner: &str, default: &str) -> String {
    format!(
        "(case when {acl} is not null then (select string_agg(
            case when have.grantee is null then 'revoke' else 'grant' end || E'\\t' || lower(privilege_type) || E'\\t'
            || case when have.grantee is null then 'from ' else 'to ' end
            || case grantee when 0 then 'public' when {owner} then 'its owner'
               else quote_ident(pg_get_userbyid(grantee)) end
            || case when have.grantable then ' with grant option' else '' end, E'\\n'
            order by grantee, privilege_type)
        from (select grantee, privilege_type, bool_or(is_grantable) as grantable from aclexplode({acl}) group by 1, 2) have
        full join (select grantee, privilege_type, is_grantable as grantable from aclexplode({default})) std
            using (grantee, privilege_type)
        where have.grantable is distinct from std.grantable) end)"
    )
}

/// The comment on an object of the catalog.
fn comment(class: Class, oid: &str) -> String {
    let catalog = class.catalog();
    format!(
        "(select note.description from pg_description note where note.objoid = {oid} and note.classoid = {catalog} and note.objsubid = 0)"
    )
}

/// A role's name.
fn role(oid: &str) -> String {
    format!("quote_ident(pg_get_userbyid({oid}))")
}

/// Options, one line each.
fn options(array: &str) -> String {
    format!("(select string_agg('option ' || o, E'\\n' order by o) from unnest({array}) o)")
}

/// The key of a schema, as a parent.
fn schema(oid: &str) -> String {
    format!("(select 'schema ' || quote_ident(ns.nspname) from pg_namespace ns where ns.oid = {oid})")
}

/// A name with its schema.
fn qualified(namespace: &str, name: &str) -> String {
    format!(
        "(select quote_ident(ns.nspname) from pg_namespace ns where ns.oid = {namespace}) || '.' || quote_ident({name})"
    )
}

/// The key of a relation that has columns.
fn relation(oid: &str) -> String {
    format!(
        "(select case rel.relkind when 'v' then 'view ' when 'm' then 'materialized view ' when 'f' then 'foreign table '
            else 'table ' end from pg_class rel where rel.oid = {oid}) || {oid}::oid::regclass::text"
    )
}

/// The name of a function with its arguments' types, or none for no function.
fn function(oid: &str) -> String {
    format!("(case when {oid}::oid <> 0 then {oid}::oid::regprocedure::text end)")
}

/// How a trigger, rule or event trigger is enabled.
fn firing(column: &str) -> String {
    format!(
        "(case {column} when 'O' then 'enabled' when 'D' then 'disabled' when 'R' then 'enabled for replicas'
            else 'always enabled' end)"
    )
}

/// The name and schema of a collation.
fn collation(oid: &str) -> String {
    format!(
        "(select case when n.nspname = 'pg_catalog' then '' else quote_ident(n.nspname) || '.' end || quote_ident(coll.collname)
          from pg_collation coll join pg_namespace n on n.oid = coll.collnamespace where coll.oid = {oid})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::versions;

    #[test]
    fn every_class_stands_once_in_all_and_tables_come_first_among_relations() {
        let mut sorted = Class::ALL.to_vec();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), Class::ALL.len());
        assert_eq!(versions::catalog(1259), Some(Class::Table));
    }

    #[test]
    fn queries_differ_by_version_only_where_catalogs_do() {
        let of = |major| versions::sql(Version { major }, None);
        assert!(!of(14).contains("pg_publication_namespace"));
        assert!(of(15).contains("pg_publication_namespace"));
        for class in Class::ALL {
            for major in 12..=18 {
                assert!(!class.queries(Version { major }).is_empty());
            }
        }
    }

    #[test]
    fn homes_have_distinct_oids() {
        let mut homes: Vec<_> = Class::ALL.iter().map(|c| c.home()).collect();
        homes.sort();
        homes.dedup();
        assert_eq!(homes.len(), Class::ALL.len() - 4);
    }
}
