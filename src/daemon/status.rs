//! What the daemon says about itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::judge::{self, Error, Kept, Query, plan};
use crate::pool::Figures;
use crate::repo::{Location, Repo};
use crate::verdict::{Base, Mode, Outcome};
use crate::wire::{Place, Selection};

/// What `migd status --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Whether a daemon answered.
    pub running: bool,
    /// Its process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// Its memory in bytes, without PostgreSQL; none where the system does not say.
    pub memory_bytes: Option<u64>,
    /// The socket it listens on.
    pub socket: String,
    /// Its log.
    pub log: String,
    /// The servers it keeps warm.
    pub engines: Vec<EngineStatus>,
    /// The verdicts that are kept, and of how much use they were.
    #[serde(default)]
    pub cache: judge::Figures,
    /// The last verdicts that somebody was given or that were reached in the background, newest last.
    #[serde(default)]
    pub verdicts: Vec<Given>,
    /// The repositories that are watched.
    #[serde(default)]
    pub watched: Vec<Watched>,
    /// What it has of whoever started it: where the user's configuration and the container engine are.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

/// One verdict that was given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Given {
    /// The repository's work tree.
    pub repo: String,
    /// The set.
    pub set: String,
    /// Which tree.
    pub mode: Mode,
    /// What it came to.
    pub outcome: Outcome,
    /// Whether it was reached before.
    pub cached: bool,
    /// Milliseconds from request to verdict.
    pub ms: f64,
    /// Seconds since then.
    pub age_s: u64,
    /// Why nothing could be judged, where that is what it came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
}

/// Why nothing could be judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The finding code.
    pub code: String,
    /// What.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// One repository that is watched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Watched {
    /// Its work tree.
    pub repo: String,
    /// Why it is not watched, or not all of it.
    pub note: Option<String>,
    /// Its sets that have something to judge.
    pub sets: Vec<State>,
}

/// What is known of one set while one edits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The set.
    pub set: String,
    /// The files as they are, or as they are staged where that is something else.
    pub tree: Mode,
    /// None while it is being judged.
    pub outcome: Option<Outcome>,
}

/// The sets of the repository that `migd status` is asked in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Repository {
    /// Its work tree.
    pub root: String,
    /// Its sets.
    pub sets: Vec<SetStatus>,
}

/// Where one set stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetStatus {
    /// Its name.
    pub name: String,
    /// Its folder, relative to the repository.
    pub path: String,
    /// Its layout.
    pub layout: String,
    /// What production may already have.
    pub base: Base,
    /// The newest version in the work tree; none in an empty set.
    pub head: Option<String>,
    /// How many migrations the work tree has.
    pub migrations: usize,
    /// The versions that the work tree has and the base has not, in the order in which they run.
    pub pending: Vec<String>,
    /// Whether the base is behind.
    pub needed: bool,
}

/// Where the sets of the repository at `place` stand. Reads git and the work tree, runs nothing.
pub fn repository(place: &Place) -> Result<Repository, Error> {
    let repo = Repo::open(&Location { cwd: place.cwd.clone(), git_env: place.env.clone() })?;
    let config = plan::configuration(&repo, false, &place.env)?;
    let query = Query { selection: &Selection::Worktree, sets: &[], touched_only: false };
    let plan = plan::plan(&repo, config, &Kept::default(), &query)?;
    let describe = |set: &judge::SetPlan| {
        let base = &set.base_chain.migrations;
        let new = set.chain.migrations.iter().filter(|new| !base.iter().any(|old| old.version == new.version));
        let pending: Vec<String> = new.map(|new| new.version.clone()).collect();
        SetStatus {
            name: set.name.clone(),
            path: set.root.clone(),
            layout: set.layout.name().to_owned(),
            base: set.base.clone(),
            head: set.chain.migrations.last().map(|last| last.version.clone()),
            migrations: set.chain.migrations.len(),
            needed: !pending.is_empty(),
            pending,
        }
    };
    let root = repo.root().unwrap_or(repo.git_dir()).to_string_lossy().into_owned();
    Ok(Repository { root, sets: plan.sets.iter().map(describe).collect() })
}

/// One server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineStatus {
    /// `container`, `local` or `url`.
    pub kind: String,
    /// As in `17.5`.
    pub version: String,
    /// The image, the folder of the binaries, or the host.
    pub source: String,
    /// Whether its data is in memory.
    pub tmpfs: bool,
    /// Its process, where it is ours to see.
    pub pid: Option<u32>,
    /// Templates and clones.
    pub pool: Figures,
    /// The last judgements, newest last.
    pub recent: Vec<Judgement>,
}

/// One judgement that was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The set.
    pub set: String,
    /// What it came to.
    pub outcome: Outcome,
    /// Milliseconds from request to verdict.
    pub ms: f64,
}

/// Resident memory of a process, in bytes.
pub fn memory_of(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
