//! What Linux says of the daemon and of its server's processes.

use std::fs;

use super::sandbox::Sandbox;

/// The daemon's process, and its server's.
pub fn processes(repo: &Sandbox) -> Option<(u64, u64)> {
    let status = repo.migd(&["status", "--json"]).ok().json();
    Some((status["pid"].as_u64()?, status["engines"][0]["pid"].as_u64()?))
}

/// The processes that this one has started and that still run.
pub fn children(pid: u64) -> Vec<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(|child| child.parse().unwrap()).collect()
}

/// How much a process or thread gives way; none when it is gone.
pub fn nice(pid: u64) -> Option<i32> {
    stat(pid, 16)?.parse().ok()
}

/// Milliseconds that a process has had a processor for.
pub fn busy(pid: u64) -> u64 {
    let ticks = |field| stat(pid, field).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
    // A tick is 10 ms wherever Linux runs.
    (ticks(11) + ticks(12)) * 10
}

/// Whether a process of a server's runs a query of a migration's.
pub fn runs(backend: u64) -> bool {
    let title = fs::read(format!("/proc/{backend}/cmdline")).unwrap_or_default();
    let title = String::from_utf8_lossy(&title).replace('\0', " ");
    title.starts_with("postgres: postgres migd_") && title.trim_end().ends_with(" SELECT")
}

/// A field of the line that Linux has of a process, counted from its state on.
fn stat(pid: u64, field: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let rest = stat.rsplit_once(") ")?.1.to_owned();
    rest.split(' ').nth(field).map(str::to_owned)
}
