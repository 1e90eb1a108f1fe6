//! Prisma Migrate: a folder per migration with `migration.sql`; ordered by the folder's name, which is the version.
//!
//! Each file is one simple query. No downs.

use std::collections::BTreeSet;
use std::ops::Bound;

use sha2::{Digest, Sha256};

use super::draft::{Draft, hex, is_program, literal};
use super::{Bookkeeping, Chain, Conduct, Heed, Late, Layout, Migration, Mode, Tree};

/// See the module.
pub(super) struct Prisma;

impl Layout for Prisma {
    fn name(&self) -> &'static str {
        "prisma"
    }

    fn recognise(&self, tree: &Tree) -> u8 {
        let mut folders =
            tree.files.keys().filter_map(|f| f.strip_suffix("/migration.sql")).filter(|d| !d.contains('/'));
        if !folders.any(|d| d.starts_with(|c: char| c.is_ascii_digit())) || super::drizzle::has_snapshots(tree) {
            return 0;
        }
        match tree.files.get("migration_lock.toml").and_then(|f| f.bytes.as_deref()).map(String::from_utf8_lossy) {
            Some(lock) if lock.contains("postgres") || lock.contains("cockroach") => 96,
            Some(_) => 0,
            None => 85,
        }
    }

    fn plan(&self, root: &str, tree: &Tree) -> Chain {
        let mut draft = Draft::new(root, tree, self.name());
        let mut folders: BTreeSet<&str> = BTreeSet::new();
        for file in tree.files.keys() {
            match file.split_once('/') {
                Some((folder, name)) => {
                    folders.insert(folder);
                    if name != "migration.sql" {
                        draft.unknown(file);
                    }
                }
                None => draft.unknown(file),
            }
        }
        for folder in folders {
            let file = format!("{folder}/migration.sql");
            let name = folder.split_once('_').map_or("", |(_, name)| name);
            let inside = (Bound::Included(format!("{folder}/")), Bound::Unbounded);
            let mut inside =
                tree.files.range(inside).map(|(file, _)| file).take_while(|f| f.split('/').next() == Some(folder));
            // No step of Prisma's own, but of a runner that takes both.
            if !tree.files.contains_key(&file)
                && let Some(program) = inside.find(|file| is_program(file))
            {
                draft.push(program, folder.to_owned(), name, None, None);
                continue;
            }
            if !tree.files.contains_key(&file) {
                draft.refused(&file, format!("prisma refuses the set: the folder {folder} has no migration.sql"));
            }
            let up = draft.source(&file, |_| Mode::Simple);
            draft.push(&file, folder.to_owned(), name, up, None);
        }
        draft.finish()
    }

    fn passes_over_folders(&self) -> bool {
        false
    }

    fn bookkeeping(&self, migration: &Migration) -> Bookkeeping {
        let name = literal(&migration.version);
        let checksum = hex(&Sha256::digest(migration.up.text.as_bytes()));
        Bookkeeping {
            setup: vec![SETUP.to_owned()],
            applied: vec![format!(
                "INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, applied_steps_count) \
                 VALUES (gen_random_uuid()::text, '{checksum}', now(), {name}, 1)"
            )],
            reverted: vec![format!("DELETE FROM _prisma_migrations WHERE migration_name = {name}")],
        }
    }

    fn outside(&self) -> &'static str {
        "put it in a migration of its own, which Prisma sends without one; with other statements beside it there is one"
    }

    /// `migrate deploy` applies every folder that is not recorded, in order of name, and warns of changed ones;
    /// `migrate dev` wants to reset the database for each of these. The folder's whole name is the version.
    fn conduct(&self) -> Conduct {
        Conduct { late: Late::Runs, edited: Heed::Warns, deleted: Heed::Ignores, renamed: Heed::Ignores }
    }

    fn has_downs(&self) -> bool {
        false
    }

    fn homes(&self) -> &'static [&'static str] {
        &["prisma/migrations"]
    }

    fn is_deep(&self) -> bool {
        true
    }
}

const SETUP: &str = "CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id                      VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum                VARCHAR(64) NOT NULL,
    finished_at             TIMESTAMPTZ,
    migration_name          VARCHAR(255) NOT NULL,
    logs                    TEXT,
    rolled_back_at          TIMESTAMPTZ,
    started_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count     INTEGER NOT NULL DEFAULT 0
)";
