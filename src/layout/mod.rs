//! Layouts: the runners' file conventions. From the files of one tree to an ordered chain. Pure, no I/O.
//!
//! A layout knows how its runner names, orders, splits and wraps migrations and what it writes into its bookkeeping table.
//! Adding one is one file and one line in [`LAYOUTS`].

mod aside;
mod atlas;
mod conduct;
mod dbmate;
mod diesel;
mod discover;
mod draft;
mod drizzle;
mod fill;
mod flyway;
mod folders;
mod golang_migrate;
mod goose;
mod locations;
mod marked;
mod plain;
mod prisma;
mod programs;
mod psql;
mod refinery;
mod replace;
mod shared;
mod sql_migrate;
mod sqlx;
mod supabase;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use blake3::Hash;

use crate::verdict::{Finding, Span};

pub use conduct::{Conduct, Heed, Late, Reach};
pub use discover::{Found, Passed, discover, recognise_at, survey};
pub use folders::{is_of_other_database, is_vendored};
pub use programs::{Programs, programs};
pub use replace::{Replacement, plan_replaced};
pub use shared::{Insert, Own};

/// Every layout. Where two are equally sure of a tree, the earlier one has it.
pub static LAYOUTS: &[&dyn Layout] = &[
    &sqlx::Sqlx,
    &golang_migrate::GolangMigrate,
    &diesel::Diesel,
    &dbmate::Dbmate,
    &goose::Goose,
    &sql_migrate::SqlMigrate,
    &flyway::Flyway,
    &refinery::Refinery,
    &drizzle::Drizzle,
    &prisma::Prisma,
    &atlas::Atlas,
    &supabase::Supabase,
    &plain::Plain,
];

/// The layout of that name.
pub fn by_name(name: &str) -> Option<&'static dyn Layout> {
    LAYOUTS.iter().copied().find(|l| l.name() == name)
}

/// The layout that is surest of `tree`; none when it is no migration set. Knows nothing of what lies around the set:
/// [`recognise_at`] does.
pub fn recognise(tree: &Tree) -> Option<&'static dyn Layout> {
    surest(LAYOUTS.iter().map(|&l| (l, l.recognise(tree).into()))).map(|(l, _)| l)
}

/// The first of the highest scores above 0.
fn surest(scores: impl Iterator<Item = (&'static dyn Layout, u32)>) -> Option<(&'static dyn Layout, u32)> {
    scores.filter(|&(_, s)| s > 0).fold(None, |best, next| match best {
        Some((_, s)) if s >= next.1 => best,
        _ => Some(next),
    })
}

/// The hash of every prefix of `chain`, from the empty one to the whole: one more than there are migrations. `seed` stands
/// for all else that decides what a database holds (server version, settings, setup SQL). Downs do not count.
pub fn prefix_hashes(seed: &Hash, chain: &[Arc<Migration>]) -> Vec<Hash> {
    let mut hash = *seed;
    let rest = chain.iter().map(|migration| {
        let mut hasher = blake3::Hasher::new();
        hasher.update(hash.as_bytes());
        hasher.update(migration.up_hash.as_bytes());
        hash = hasher.finalize();
        hash
    });
    std::iter::once(*seed).chain(rest).collect()
}

/// The files of one set, as one tree has them.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// By path relative to the set's folder, with `/` between components.
    pub files: BTreeMap<String, File>,
}

/// One file's content.
#[derive(Debug, Clone)]
pub struct File {
    /// A name for the content: equal if and only if the bytes are (a git object name, or a hash of the same strength).
    pub id: String,
    /// The bytes; none when the file is larger than the configured limit.
    pub bytes: Option<Arc<[u8]>>,
    /// How many bytes the file has, whether loaded or not.
    pub size: u64,
    /// Whether it is a symbolic link that leads to no file of the repository; `bytes` is then where it leads.
    pub is_link: bool,
}

/// What the configuration gives a set beside its files.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// The values of placeholders.
    pub vars: BTreeMap<String, String>,
    /// The runner's own settings, by the runner's names.
    pub settings: BTreeMap<String, String>,
}

/// What a layout makes of a [`Tree`].
#[derive(Debug, Clone, Default)]
pub struct Chain {
    /// In the order in which the runner applies them. Chains that differ in a few share the others.
    pub migrations: Vec<Arc<Migration>>,
    /// What is wrong with the files themselves (`history.*`, `apply.encoding`, `config.*`).
    pub findings: Vec<Finding>,
    /// Files that belong to no migration, relative to the set.
    pub unknown: Vec<String>,
    digest: OnceLock<Hash>,
}

impl Chain {
    /// A chain of migrations with nothing to say about their files.
    pub fn of(migrations: Vec<Arc<Migration>>) -> Chain {
        Chain { migrations, ..Chain::default() }
    }

    /// What all migrations do, and the names that findings about them have, as one hash. Made once: not to be asked for
    /// before the chain is whole.
    pub fn digest(&self) -> Hash {
        *self.digest.get_or_init(|| {
            let mut all = blake3::Hasher::new();
            for migration in &self.migrations {
                all.update(migration.hash.as_bytes());
                let down = migration.down.as_ref().map_or("", |down| &down.path);
                for name in [&migration.name, &migration.up.path, down] {
                    // With its length, so that no two lists of names read alike.
                    all.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
                }
            }
            all.finalize()
        })
    }
}

/// One versioned change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The version as the runner records it.
    pub version: String,
    /// The name without version and suffix.
    pub name: String,
    /// The change.
    pub up: Source,
    /// Its reverse, if the set has one for it.
    pub down: Option<Source>,
    /// A hash over everything that decides what this migration does: version, texts, transaction modes.
    pub hash: Hash,
    /// The same for the up direction alone: what decides the database after it.
    pub up_hash: Hash,
    /// The version that the chain applies before this one.
    pub previous: Option<String>,
    /// A step that migd cannot run, by its path relative to the repository: it is no SQL (Go, Java, Rust), or its text
    /// could not be read (a finding says why). `up` is empty then, and the chain can be judged up to here only.
    pub foreign: Option<String>,
    /// Run again whenever its text changes, after all versioned ones (Flyway's `R__`).
    pub repeatable: bool,
    /// The time that the runner records in place of the present, in milliseconds (Drizzle's journal).
    pub stamp: Option<i64>,
    /// `up` and `down` stand in the place of a step that is not SQL, and are never run in production.
    pub replaced: bool,
    /// There is a down, and it could not be read, or the runner refuses it: a finding says why, and `down` is none.
    pub down_unread: bool,
}

/// The SQL of one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file, relative to the repository.
    pub path: String,
    /// The file's whole text, decoded, without a byte order mark.
    pub text: Arc<str>,
    /// The part of `text` that this direction runs; places are counted in the whole text.
    pub body: Range<usize>,
    /// How the runner sends it.
    pub mode: Mode,
    /// The chunks in which the runner sends the body, where it cuts by rules of its own (`StatementBegin`,
    /// `--> statement-breakpoint`): places in the whole text, in order, none blank. None: by PostgreSQL's rules, or whole,
    /// as `mode` says.
    pub pieces: Option<Vec<Range<usize>>>,
    /// What `text` has from other files, in order; none where it is the file's own.
    pub inserts: Option<Arc<[Insert]>>,
}

impl Source {
    /// Where a place in `text` is in the file itself.
    pub fn own(&self, span: Span) -> Own<'_> {
        self.inserts.as_deref().map_or(Own::At(span), |inserts| shared::own(inserts, span))
    }

    /// The line of the file itself that a place in `text` is in.
    pub fn line(&self, span: Span) -> u32 {
        match self.own(span) {
            Own::At(span) | Own::Within(span, ..) => span.line,
        }
    }
}

/// How a runner sends a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The whole file as one simple query: several statements share an implicit transaction, one alone has none.
    Simple,
    /// Inside one transaction that the runner opens and commits.
    Wrapped,
    /// Each piece inside a transaction of its own that the runner opens and commits.
    WrappedEach,
    /// Statement by statement, each its own transaction.
    PerStatement,
}

/// First among [`Bookkeeping::applied`] where the runner commits a migration before it records it.
pub const APART: &str = "COMMIT";

/// What the runner writes about itself.
#[derive(Debug, Clone, Default)]
pub struct Bookkeeping {
    /// Creates the runner's table, before the first migration.
    pub setup: Vec<String>,
    /// Records one migration after its up; in the same transaction where there is one, unless it starts with [`APART`].
    pub applied: Vec<String>,
    /// Removes the record after its down.
    pub reverted: Vec<String>,
}

/// A runner's file convention.
pub trait Layout: Send + Sync {
    /// The name in `migd.toml`.
    fn name(&self) -> &'static str;

    /// How sure the layout is that `tree` is one of its own: 0 is no, 100 is certain. The highest wins; equals are
    /// resolved by the order of [`LAYOUTS`].
    fn recognise(&self, tree: &Tree) -> u8;

    /// The chain that the runner would see. `root` is the set's folder relative to the repository (`""` at the top).
    fn plan(&self, root: &str, tree: &Tree) -> Chain;

    /// The runner's bookkeeping around `migration`; `setup` is the same for every migration of a set.
    fn bookkeeping(&self, migration: &Migration) -> Bookkeeping;

    /// [`Layout::plan`] with what the configuration gives the set.
    fn plan_with(&self, root: &str, tree: &Tree, given: &Given) -> Chain {
        let _ = given;
        self.plan(root, tree)
    }

    /// What the runner does when its files do not fit what a database has already run.
    fn conduct(&self) -> Conduct;

    /// How a migration is written that the runner sends outside of any transaction, for a sentence that says why.
    fn outside(&self) -> &'static str {
        "put it in a migration of its own and tell the runner to use none"
    }

    /// Whether `setting`, changed by one migration for its session, reaches those that are pending behind it. Most runners
    /// take one connection for all of them, or one from a pool that has just one, and put nothing back.
    fn reach(&self, setting: &str) -> Reach {
        let _ = setting;
        Reach::Reaches
    }

    /// Whether all that is pending runs in one transaction.
    fn is_one_transaction(&self) -> bool {
        false
    }

    /// Whether two texts have the same checksum to the runner. Asked only where it keeps one.
    fn is_same_to_checksum(&self, one: &Source, other: &Source) -> bool {
        one.text == other.text
    }

    /// Whether this very migration may run after later ones, whatever [`Layout::conduct`] says.
    fn may_run_late(&self, migration: &Migration) -> bool {
        migration.repeatable
    }

    /// Whether the runner itself takes `new` for `old`, which had another version, in databases that have `old`.
    fn carries_over(&self, old: &Migration, new: &Migration) -> bool {
        let _ = (old, new);
        false
    }

    /// What becomes of this very migration where it comes before the newest one that a database has.
    fn late(&self, migration: &Migration) -> Late {
        let _ = migration;
        self.conduct().late
    }

    /// Whether the runner has downs at all.
    fn has_downs(&self) -> bool {
        true
    }

    /// Whether this migration's own file promises a down. Where it does not, one is missed only in a set that has others.
    fn expects_down(&self, migration: &Migration) -> bool {
        let _ = migration;
        self.has_downs()
    }

    /// Whether a file anywhere in the repository is a step of this runner's that its sets do not hold.
    fn is_step_elsewhere(&self, path: &str) -> bool {
        let _ = path;
        false
    }

    /// Files in a set's folder or above it that point to this runner, each with a word that it then contains; with a `/` at
    /// the end, folders.
    fn traces(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// The manifests of the language that the runner is written for. One for any language has none.
    fn manifests(&self) -> &'static [&'static str] {
        &[]
    }

    /// Where the runner's own scaffolding puts sets: the end of the folder's path.
    fn homes(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether the runner passes over folders in the set's folder that hold something else.
    fn passes_over_folders(&self) -> bool {
        true
    }

    /// SQL that does what the runner itself does to a new database before the first migration, by the set's `settings`.
    fn setup(&self, settings: &BTreeMap<String, String>) -> Option<String> {
        let _ = settings;
        None
    }

    /// SQL that makes what the runner's platform has in every database before the first migration. It stands in where the
    /// configuration names no `setup_sql`.
    fn before(&self) -> Option<&'static str> {
        None
    }

    /// Files, relative to the repository, of which the first that is there is run behind [`Layout::before`], for a set in the
    /// folder `root`.
    fn globals(&self, root: &str) -> Vec<String> {
        let _ = root;
        Vec::new()
    }

    /// Whether a text refers to something that [`Layout::before`] makes.
    fn is_referred_to(&self, text: &str) -> bool {
        let _ = text;
        false
    }

    /// Whether folders inside the set's folder belong to the set.
    fn is_deep(&self) -> bool {
        false
    }
}
