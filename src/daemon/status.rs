//! What the daemon says about itself.

use serde::{Deserialize, Serialize};

use crate::pool::Figures;
use crate::verdict::Outcome;

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
