//! Layouts: the runners' file conventions. From the files of one tree to an ordered chain. Pure, no I/O.
//!
//! A layout knows how its runner names, orders, splits and wraps migrations and what it writes into its bookkeeping table.
//! Adding one is one file and one line in [`LAYOUTS`].

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::verdict::Finding;

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
}

/// What a layout makes of a [`Tree`].
#[derive(Debug, Clone, Default)]
pub struct Chain {
    /// In the order in which the runner applies them.
    pub migrations: Vec<Migration>,
    /// What is wrong with the files themselves (`history.*`, `apply.encoding`, `config.*`).
    pub findings: Vec<Finding>,
    /// Files that belong to no migration, relative to the set.
    pub unknown: Vec<String>,
}

/// One versioned change.
#[derive(Debug, Clone)]
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
    pub hash: blake3::Hash,
}

/// The SQL of one direction.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file, relative to the repository.
    pub path: String,
    /// The file's whole text, decoded, without a byte order mark.
    pub text: Arc<str>,
    /// The part of `text` that this direction runs; places are counted in the whole text.
    pub body: Range<usize>,
    /// How the runner sends it.
    pub mode: Mode,
}

/// How a runner sends a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The whole file as one simple query: several statements share an implicit transaction, one alone has none.
    Simple,
    /// Inside one transaction that the runner opens and commits.
    Wrapped,
    /// Statement by statement, each its own transaction.
    PerStatement,
}

/// What the runner writes about itself.
#[derive(Debug, Clone, Default)]
pub struct Bookkeeping {
    /// Creates the runner's table, before the first migration.
    pub setup: Vec<String>,
    /// Records one migration after its up.
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

    /// Whether the runner has downs at all.
    fn has_downs(&self) -> bool {
        true
    }
}
