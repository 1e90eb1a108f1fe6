//! What a verdict depends on, as one hash: verdicts with the same key are the same.
//!
//! Nothing in it belongs to one work tree (the repository's path, which tree was read, the commit's name where no finding
//! says it), so that what was judged while editing is found by the commit, and in every other work tree. Nothing needs a
//! running server: the last known one of an engine's configuration stands for it.

use blake3::Hash;
use serde::{Deserialize, Serialize};

use super::{Plan, SetPlan, run, settle};
use crate::engine::Info;
use crate::layout::{Chain, Migration, Source};
use crate::sql;
use crate::verdict::Mode;

/// What a verdict depends on of the server that gave it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// `container`, `local` or `url`.
    pub kind: String,
    /// As in `17.5`.
    pub version: String,
    /// The image, the folder of the binaries, or the host: it decides which extensions there are.
    pub source: String,
    /// Migrations run as a superuser.
    pub superuser: bool,
    /// The cluster is somebody else's as well.
    pub shared: bool,
}

impl Server {
    /// A running one.
    pub fn of(info: &Info) -> Server {
        Server {
            kind: info.kind.to_owned(),
            version: info.version.clone(),
            source: info.source.clone(),
            superuser: info.superuser,
            shared: info.shared,
        }
    }
}

/// The key of the verdict on `set`, given by `server` and this `build` of migd.
pub(super) fn of(plan: &Plan, set: &SetPlan, server: &Server, build: &str) -> Hash {
    let mut key = Key(blake3::Hasher::new());
    key.text(build);
    key.text(&format!("{server:?}"));
    key.text(&format!("{} {} {}", set.name, set.root, set.layout.name()));
    let all = plan.mode == Mode::All;
    key.text(&format!("{all} {} {:?} {:?}", set.first, set.changes, set.merged));
    for source in &set.setup {
        key.source(source);
    }
    key.chain(&set.chain);
    for (at, migration) in set.chain.migrations.iter().enumerate() {
        if set.is_judged(at, plan.mode) {
            key.judged(migration);
        }
    }
    key.chain(&set.base_chain);
    if let Some(upstream) = &set.upstream_chain {
        key.text(&format!("upstream {:?}", set.base.upstream));
        key.chain(upstream);
    }
    // They quote the base by the name of its commit, where they are about it.
    key.text(&format!("{:?} {:?}", set.findings, run::history(plan, set)));
    for scenario in &set.scenarios {
        key.text(&format!("{} {}", scenario.path, scenario.id));
    }
    let config = &plan.config;
    let (engine, limits) = (&config.engine, &config.limits);
    key.text(&format!("{:?} {:?} {:?}", engine.postgres, engine.settings, engine.superuser));
    key.text(&format!("{:?} {} {}", limits.statement, limits.database_bytes, limits.file_bytes));
    key.text(&format!("{:?}", limits.scenario));
    key.text(&format!("{:?} {:?}", config.rows, config.checks));
    key.0.finalize()
}

struct Key(blake3::Hasher);

impl Key {
    fn text(&mut self, text: &str) {
        self.0.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    }

    fn chain(&mut self, chain: &Chain) {
        self.0.update(chain.digest().as_bytes());
    }

    /// All else that is said about one that is judged: its files as they are, comments included.
    fn judged(&mut self, migration: &Migration) {
        self.source(&migration.up);
        if let Some(down) = &migration.down {
            self.source(down);
        }
        // An acceptance that ended is another file, as it were.
        if migration.up.text.contains("migd:") {
            let directives = sql::directives(&migration.up.text).directives;
            let over = directives.iter().filter_map(|directive| Some(directive.until? < settle::today()?));
            self.text(&format!("{:?}", over.collect::<Vec<_>>()));
        }
    }

    fn source(&mut self, source: &Source) {
        self.text(&source.path);
        self.text(&source.text);
    }
}
