//! Flyway's settings that decide what its files mean, by Flyway's own names. They are `settings` of a set in `migd.toml`.
//!
//! As in Flyway: the longest prefix that a name starts with decides its kind, and `defaultSchema`, else the first of
//! `schemas`, is put before the search path that the database has.

use std::collections::BTreeMap;

use crate::sql::identifier;

/// Every setting that is read, with Flyway's default.
pub(in crate::layout) const DEFAULTS: &[(&str, &str)] = &[
    ("baselineMigrationPrefix", "B"),
    ("createSchemas", "true"),
    ("defaultSchema", ""),
    ("mixed", "false"),
    ("placeholderPrefix", "${"),
    ("placeholderReplacement", "true"),
    ("placeholderSeparator", ":"),
    ("placeholderSuffix", "}"),
    ("repeatableSqlMigrationPrefix", "R"),
    ("schemas", ""),
    ("sqlMigrationPrefix", "V"),
    ("sqlMigrationSeparator", "__"),
    ("sqlMigrationSuffixes", ".sql"),
    ("table", "flyway_schema_history"),
    ("undoSqlMigrationPrefix", "U"),
];

/// The settings of one set.
#[derive(Debug, Clone)]
pub(in crate::layout) struct Settings {
    /// Each kind's prefix, the longest first.
    prefixes: Vec<(String, char)>,
    /// What stands between a version and a description.
    pub(super) separator: String,
    suffixes: Vec<String>,
    /// Whether placeholders are replaced at all.
    pub(super) replaces: bool,
    /// What opens a placeholder.
    pub(super) open: String,
    /// What closes it.
    pub(super) close: String,
    /// What stands behind `flyway` in the names of Flyway's own.
    pub(super) colon: String,
    /// Whether a file may mix statements that run in no transaction with others.
    pub(super) mixed: bool,
    /// The history's table.
    pub(super) table: String,
    default_schema: Option<String>,
    schemas: Vec<String>,
    creates: bool,
}

impl Settings {
    /// The defaults, with what `given` has in their place. Names that Flyway does not have are left out.
    pub(in crate::layout) fn of(given: &BTreeMap<String, String>) -> Settings {
        let default = |name: &str| DEFAULTS.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| *value);
        let value = |name: &str| given.get(name).map_or(default(name), String::as_str).to_owned();
        let is = |name: &str| value(name).trim().eq_ignore_ascii_case("true");
        let many = |name: &str| -> Vec<String> {
            value(name).split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
        };
        let mut prefixes = vec![
            (value("sqlMigrationPrefix"), 'V'),
            (value("baselineMigrationPrefix"), 'B'),
            (value("undoSqlMigrationPrefix"), 'U'),
            (value("repeatableSqlMigrationPrefix"), 'R'),
        ];
        prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        let schema = Some(value("defaultSchema")).filter(|schema| !schema.is_empty());
        let schemas = many("schemas");
        Settings {
            prefixes,
            separator: value("sqlMigrationSeparator"),
            suffixes: many("sqlMigrationSuffixes"),
            replaces: is("placeholderReplacement"),
            open: value("placeholderPrefix"),
            close: value("placeholderSuffix"),
            colon: value("placeholderSeparator"),
            mixed: is("mixed"),
            table: value("table"),
            default_schema: schema.or_else(|| schemas.first().cloned()),
            schemas,
            creates: is("createSchemas"),
        }
    }

    /// The kind of an SQL file of this name, and what stands between its prefix and its suffix.
    pub(super) fn named<'a>(&self, file: &'a str) -> Option<(char, &'a str)> {
        let ends = |suffix: &String| {
            let at = file.len().checked_sub(suffix.len()).filter(|at| file.is_char_boundary(*at))?;
            file[at..].eq_ignore_ascii_case(suffix).then(|| &file[..at])
        };
        let stem = self.suffixes.iter().find_map(ends)?;
        self.prefixes.iter().find_map(|(prefix, kind)| Some((*kind, stem.strip_prefix(prefix.as_str())?)))
    }

    /// How a versioned file is named.
    pub(super) fn pattern(&self) -> String {
        let prefix = self.prefixes.iter().find(|(_, kind)| *kind == 'V').map_or("", |(prefix, _)| prefix);
        let suffix = self.suffixes.first().map_or("", String::as_str);
        format!("{prefix}<version>{}<description>{suffix}", self.separator)
    }

    /// The schema that names without one mean.
    pub(super) fn schema(&self) -> &str {
        self.default_schema.as_deref().unwrap_or("public")
    }

    /// What Flyway does to a new database before the first migration: it makes the schemas and puts the default one first.
    pub(super) fn setup(&self) -> Option<String> {
        let schema = self.default_schema.as_deref().filter(|schema| *schema != "public");
        let mut wanted: Vec<&str> = self.default_schema.iter().chain(&self.schemas).map(String::as_str).collect();
        wanted.retain(|schema| self.creates && *schema != "public");
        wanted.dedup();
        if wanted.is_empty() && schema.is_none() {
            return None;
        }
        let mut sql: String =
            wanted.iter().map(|schema| format!("CREATE SCHEMA IF NOT EXISTS {};\n", identifier(schema))).collect();
        if let Some(schema) = schema {
            // Each migration has a session of its own here, so that the database keeps what Flyway says in its one session.
            sql += &PATH.replace("SCHEMA", &super::literal(&identifier(schema)));
        }
        Some(sql)
    }
}

/// The search path that the database has, behind a schema.
const PATH: &str = "DO $path$
DECLARE
    known text := coalesce(
        (SELECT substr(setting, 13) FROM pg_catalog.pg_db_role_setting s
             JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) setting
         WHERE d.datname = current_database() AND s.setrole = 0 AND setting LIKE 'search_path=%'),
        '\"$user\", public');
BEGIN
    EXECUTE format('ALTER DATABASE %I SET search_path TO ', current_database()) || SCHEMA || ', ' || known;
END
$path$;
";
