//! What is measured on: chains that are generated, or a folder that is given.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use migd::layout::{self, File, Migration, Mode, Tree};

use crate::Result;

/// A folder of migrations.
pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) layout: String,
    /// By path relative to the folder.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// In the order that their runner has.
    pub(crate) migrations: Vec<Arc<Migration>>,
}

impl Set {
    /// A chain that grows as real ones do: a table now and then, and in between columns, indexes, keys and checks.
    pub(crate) fn generated(size: usize) -> Result<Set> {
        let mut files = BTreeMap::new();
        let mut table = 0;
        for at in 0..size {
            let (up, down) = match at % 5 {
                0 => {
                    table = at;
                    (
                        format!(
                            "CREATE TABLE t{at} (\n    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n    name text \
                             NOT NULL,\n    created_at timestamptz NOT NULL DEFAULT now()\n);\n"
                        ),
                        format!("DROP TABLE t{at};\n"),
                    )
                }
                1 => (
                    format!("ALTER TABLE t{table} ADD COLUMN state text NOT NULL DEFAULT 'new';\n"),
                    format!("ALTER TABLE t{table} DROP COLUMN state;\n"),
                ),
                2 => (
                    format!("CREATE INDEX t{table}_name ON t{table} (lower(name));\n"),
                    format!("DROP INDEX t{table}_name;\n"),
                ),
                3 => (
                    format!("ALTER TABLE t{table} ADD COLUMN parent_id bigint REFERENCES t{table} (id);\n"),
                    format!("ALTER TABLE t{table} DROP COLUMN parent_id;\n"),
                ),
                _ => (
                    format!("ALTER TABLE t{table} ADD CONSTRAINT t{table}_named CHECK (name <> '');\n"),
                    format!("ALTER TABLE t{table} DROP CONSTRAINT t{table}_named;\n"),
                ),
            };
            files.insert(format!("{:06}_step.up.sql", at + 1), up.into_bytes());
            files.insert(format!("{:06}_step.down.sql", at + 1), down.into_bytes());
        }
        Set::of(format!("generated, {size}"), "sqlx", files)
    }

    /// What lies in `folder`.
    pub(crate) fn of_folder(folder: &Path, layout: &str) -> Result<Set> {
        let mut files = BTreeMap::new();
        collect(folder, folder, &mut files)?;
        let folder = folder.canonicalize()?;
        let part = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let name = match (part(&folder), folder.parent()) {
            (own, Some(parent)) if own == "migrations" => part(parent),
            (own, _) => own,
        };
        let set = Set::of(String::new(), layout, files)?;
        Ok(Set { name: format!("{name}, {}", set.migrations.len()), ..set })
    }

    fn of(name: String, layout: &str, files: BTreeMap<String, Vec<u8>>) -> Result<Set> {
        let file = |(path, bytes): (&String, &Vec<u8>)| {
            let bytes: Arc<[u8]> = bytes.as_slice().into();
            (path.clone(), File { id: path.clone(), size: bytes.len() as u64, bytes: Some(bytes), is_link: false })
        };
        let tree = Tree { files: files.iter().map(file).collect() };
        let known = layout::by_name(layout).ok_or_else(|| format!("there is no layout called {layout}"))?;
        let migrations = known.plan("migrations", &tree).migrations;
        if migrations.len() < 3 {
            return Err(format!("{name}: too short a chain to measure on: {} migrations", migrations.len()).into());
        }
        Ok(Set { name, layout: layout.to_owned(), files, migrations })
    }

    /// What a new last migration does, each time in other words.
    pub(crate) fn new_up(number: usize) -> String {
        format!(
            "CREATE TABLE bench_new (\n    id bigint PRIMARY KEY,\n    note text NOT NULL DEFAULT 'number {number}'\n);\n\
             CREATE INDEX bench_new_note ON bench_new (note);\n"
        )
    }

    /// The files of a new last migration, each time another one.
    pub(crate) fn new_migration(&self, number: usize) -> Result<Vec<(String, String)>> {
        let up = Set::new_up(number);
        let down = "DROP TABLE bench_new;\n".to_owned();
        let stem = "99991231235959_bench";
        Ok(match self.layout.as_str() {
            "sqlx" | "golang-migrate" | "plain" => {
                vec![(format!("{stem}.up.sql"), up), (format!("{stem}.down.sql"), down)]
            }
            "diesel" => {
                let folder = "9999-12-31-235959_bench";
                vec![(format!("{folder}/up.sql"), up), (format!("{folder}/down.sql"), down)]
            }
            "dbmate" => vec![(format!("{stem}.sql"), format!("-- migrate:up\n{up}\n-- migrate:down\n{down}"))],
            "goose" => vec![(format!("{stem}.sql"), format!("-- +goose Up\n{up}\n-- +goose Down\n{down}"))],
            "sql-migrate" => vec![(format!("{stem}.sql"), format!("-- +migrate Up\n{up}\n-- +migrate Down\n{down}"))],
            "flyway" => {
                vec![("V99991231235959__bench.sql".to_owned(), up), ("U99991231235959__bench.sql".to_owned(), down)]
            }
            "refinery" => vec![("V2000000000__bench.sql".to_owned(), up)],
            "prisma" => vec![("99991231235959_bench/migration.sql".to_owned(), up)],
            "supabase" => vec![(format!("{stem}.sql"), up)],
            other => return Err(format!("no new migration can be made up for the layout {other}").into()),
        })
    }

    /// The files of a migration that keeps the server busy for seconds, each time another one; none in layouts that name their
    /// files otherwise.
    pub(crate) fn long_migration(&self, number: usize) -> Option<Vec<(String, String)>> {
        let stem = "99991231235958_long";
        let up = "SELECT count(*) FROM generate_series(1, 20000);\n".repeat(3000);
        let up = format!("-- number {number}\n{up}");
        let named = ["sqlx", "golang-migrate", "plain"].contains(&self.layout.as_str());
        named.then(|| vec![(format!("{stem}.up.sql"), up), (format!("{stem}.down.sql"), "SELECT 1;\n".to_owned())])
    }

    /// The second migration's file, edited without any effect.
    pub(crate) fn edited(&self, number: usize) -> Result<(String, Vec<u8>)> {
        let path = &self.migrations[1].up.path;
        let path = path.strip_prefix("migrations/").unwrap_or(path).to_owned();
        let mut bytes = self.files.get(&path).ok_or("the second migration's file is not there")?.clone();
        // At the end: a first line may be a directive.
        bytes.extend(format!("\n-- edited {number} times\n").into_bytes());
        Ok((path, bytes))
    }

    /// All ups as scripts for `psql`, in transactions where the runner uses them.
    pub(crate) fn scripts(&self) -> Vec<String> {
        let script = |migration: &Arc<Migration>| {
            let up = &migration.up;
            let ranges = up.pieces.clone().unwrap_or_else(|| vec![up.body.clone()]);
            let wrapped = |text: String| format!("BEGIN;\n{text}\n;COMMIT;\n");
            let pieces = ranges.into_iter().map(|range| format!("{}\n", &up.text[range]));
            match up.mode {
                Mode::Wrapped => wrapped(pieces.collect()),
                Mode::WrappedEach => pieces.map(wrapped).collect(),
                Mode::Simple | Mode::PerStatement => pieces.collect(),
            }
        };
        self.migrations.iter().map(script).collect()
    }
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else {
            let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
            files.insert(name, std::fs::read(&path)?);
        }
    }
    Ok(())
}
