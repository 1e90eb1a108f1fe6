//! Supabase: `N_name.sql` in `supabase/migrations`; ordered by file name, recorded by its digits.
//!
//! The statements of a file and its record are one pipeline, which is one transaction; since 2.109 the command line sends what
//! refuses that (`CREATE INDEX CONCURRENTLY`, `VACUUM`) by itself, and what stands before and behind it in transactions of
//! their own. No downs. Every project has roles, schemas, tables and functions before its first migration: `supabase.sql`. Then comes the project's own `supabase/roles.sql`
//! (`SetupDatabase` in the command line's `internal/db/start`), once and unrecorded. `seed.sql` is run behind the last migration
//! of a local database and on none that has data, so that it decides nothing here.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::draft::{Draft, literal};
use super::{Bookkeeping, Chain, Conduct, Heed, Late, Layout, Migration, Mode, Reach, Tree};
use crate::sql::{Kind, split, split_range};

/// See the module.
pub(super) struct Supabase;

impl Layout for Supabase {
    fn name(&self) -> &'static str {
        "supabase"
    }

    fn recognise(&self, tree: &Tree) -> u8 {
        let own: Vec<_> = tree.files.keys().filter(|f| f.ends_with(".sql") && !f.contains('/')).collect();
        let stamped = own.iter().filter(|f| parse(f).is_some_and(|(version, _)| version.len() == 14)).count();
        let downs = own.iter().any(|f| f.ends_with(".down.sql"));
        // Many runners have such names: what lies around the set decides.
        if stamped > 0 && stamped == own.len() && !downs { 20 } else { 0 }
    }

    fn plan(&self, root: &str, tree: &Tree) -> Chain {
        let mut draft = Draft::new(root, tree, self.name());
        let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
        for (at, file) in tree.files.keys().enumerate() {
            let Some((version, name)) = parse(file) else {
                draft.ignored(file, "<timestamp>_<name>.sql");
                continue;
            };
            let old_init = name == "init" && version.len() == 14 && version < "20211209000000";
            if at == 0 && old_init {
                draft.ignored(file, "other than `init` (an old first migration, which the command line skips)");
                continue;
            }
            match taken.get(version) {
                Some(first) => draft.duplicate(version, first, file),
                None => {
                    taken.insert(version, file);
                    let up = draft.source(file, mode);
                    draft.push(file, version.to_owned(), name, up, None);
                }
            }
        }
        draft.finish()
    }

    fn bookkeeping(&self, migration: &Migration) -> Bookkeeping {
        let (version, name) = (literal(&migration.version), literal(&migration.name));
        let up = &migration.up;
        let script = split_range(&up.text, up.body.clone());
        let statements: Vec<String> = script.statements.iter().map(|s| literal(&up.text[s.range.clone()])).collect();
        Bookkeeping {
            setup: SETUP.iter().map(|&s| s.to_owned()).collect(),
            applied: vec![format!(
                "INSERT INTO supabase_migrations.schema_migrations(version, name, statements) \
                 VALUES ({version}, {name}, ARRAY[{}]::text[])",
                statements.join(", ")
            )],
            reverted: vec![format!("DELETE FROM supabase_migrations.schema_migrations WHERE version = {version}")],
        }
    }

    /// `db push` says `RESET ALL` before each file, which leaves the role.
    fn reach(&self, setting: &str) -> Reach {
        if setting == "role" { Reach::Reaches } else { Reach::Stays }
    }

    fn outside(&self) -> &'static str {
        "Supabase's command line sends only CONCURRENTLY for an index, REINDEX, VACUUM, CLUSTER and ALTER SYSTEM by itself, so \
         that no migration can have it: run it by hand"
    }

    /// `db push` stops at local files `to be inserted before the last migration on remote database` unless it is told
    /// `--include-all`, and at remote versions that have no local file.
    fn conduct(&self) -> Conduct {
        Conduct { late: Late::Refuses, edited: Heed::Ignores, deleted: Heed::Refuses, renamed: Heed::Ignores }
    }

    fn before(&self) -> Option<&'static str> {
        Some(include_str!("supabase.sql"))
    }

    fn globals(&self, root: &str) -> Vec<String> {
        let mut files = Vec::new();
        let mut above = root.rsplit_once('/').map(|(parent, _)| parent).or(Some(""));
        while let Some(folder) = above {
            let inside = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            if files.is_empty() || folder.rsplit('/').next() == Some("supabase") {
                files.push(inside("roles.sql"));
            }
            files.push(inside("supabase/roles.sql"));
            above = (!folder.is_empty()).then(|| folder.rsplit_once('/').map_or("", |(parent, _)| parent));
        }
        files
    }

    fn is_referred_to(&self, text: &str) -> bool {
        let names =
            ["auth.users", "auth.uid()", "auth.jwt()", "storage.objects", "storage.buckets", "\"auth\".\"users\""];
        names.iter().any(|name| text.contains(name))
    }

    fn has_downs(&self) -> bool {
        false
    }

    fn traces(&self) -> &'static [(&'static str, &'static str)] {
        &[("config.toml", "project_id"), ("supabase/config.toml", "project_id")]
    }

    fn homes(&self) -> &'static [&'static str] {
        &["supabase/migrations"]
    }
}

const SETUP: &[&str] = &[
    "CREATE SCHEMA IF NOT EXISTS supabase_migrations",
    "CREATE TABLE IF NOT EXISTS supabase_migrations.schema_migrations (version text NOT NULL PRIMARY KEY)",
    "ALTER TABLE supabase_migrations.schema_migrations ADD COLUMN IF NOT EXISTS statements text[]",
    "ALTER TABLE supabase_migrations.schema_migrations ADD COLUMN IF NOT EXISTS name text",
];

/// Where some of it is sent by itself, nothing holds the rest together.
fn mode(text: &str) -> Mode {
    static ALONE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"\A(?i:create\s+(?:unique\s+)?index|drop\s+index|reindex|vacuum|cluster|alter\s+system)\b").ok()
    });
    let alone = |text: &str| ALONE.as_ref().is_some_and(|pattern| pattern.is_match(text));
    let script = split(text);
    let mut bare = script.statements.iter().filter(|statement| statement.kind == Kind::NoTransaction);
    if bare.any(|statement| alone(&text[statement.range.clone()])) { Mode::PerStatement } else { Mode::Wrapped }
}

/// `^([0-9]+)_(.*)\.sql$`
fn parse(file: &str) -> Option<(&str, &str)> {
    let (version, name) = file.strip_suffix(".sql")?.split_once('_')?;
    let digits = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit());
    (digits && !file.contains('/')).then_some((version, name))
}
