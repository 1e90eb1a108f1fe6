//! `migd status`: what the daemon is doing, in words or as JSON.

use std::io;

use super::{Failure, print};
use crate::daemon::spawn;
use crate::daemon::status::{EngineStatus, Status, memory_of};
use crate::wire::{Endpoint, Reply, Request, Terminal};

/// The options of `migd status`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, endpoint: &Endpoint) -> Result<u8, Failure> {
    let replies = spawn::ask_running(endpoint, Request::Status).unwrap_or_default();
    let json = replies.into_iter().find_map(|reply| match reply {
        Reply::Status { json } => Some(json),
        _ => None,
    });
    match json {
        None if args.json => print("{\"running\":false}\n"),
        None => print("no daemon is running; the next commit that touches a migration starts one\n"),
        Some(json) if args.json => print(&format!("{json}\n")),
        Some(json) => {
            let status: Status = serde_json::from_str(&json)
                .map_err(|_| Failure::broken("the daemon is of another version", "`migd restart` replaces it"))?;
            print(&words(&status, &Terminal::of(&io::stdout())));
        }
    }
    Ok(0)
}

fn words(status: &Status, terminal: &Terminal) -> String {
    let dot = terminal.dot();
    let memory = status.memory_bytes.map(|bytes| format!("{dot}{}", megabytes(bytes))).unwrap_or_default();
    let mut text = format!(
        "daemon      {}{dot}process {}{dot}up {}{memory}\n",
        status.version,
        status.pid,
        humantime::format_duration(std::time::Duration::from_secs(status.uptime_s)),
    );
    if status.engines.is_empty() {
        text.push_str("PostgreSQL  not running; the next commit that touches a migration starts it\n");
    }
    for engine in &status.engines {
        text.push_str(&engine_words(engine, dot));
    }
    text.push_str(&format!("log         {}\n", status.log));
    text
}

fn engine_words(engine: &EngineStatus, dot: &str) -> String {
    let memory = engine.pid.and_then(servers_memory).map(|bytes| format!("{dot}{}", megabytes(bytes)));
    let place = if engine.tmpfs { format!("{dot}data in memory") } else { String::new() };
    let mut text = format!(
        "PostgreSQL  {} ({}, {}){place}{}\ndatabases   {} templates{dot}{} clones ready\n",
        engine.version,
        engine.kind,
        engine.source,
        memory.unwrap_or_default(),
        engine.pool.templates,
        engine.pool.ready,
    );
    for (at, judgement) in engine.recent.iter().rev().take(5).enumerate() {
        let label = if at == 0 { "verdicts" } else { "" };
        text.push_str(&format!(
            "{label:<11} {}: {}{dot}{:.1} ms\n",
            judgement.set,
            judgement.outcome.as_str(),
            judgement.ms
        ));
    }
    text
}

/// The proportional memory of a server and its children: shared pages are counted once.
fn servers_memory(pid: u32) -> Option<u64> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let processes = std::iter::once(pid).chain(children.split_whitespace().filter_map(|child| child.parse().ok()));
    processes.map(|pid| proportional(pid).or_else(|| memory_of(pid))).sum()
}

fn proportional(pid: u32) -> Option<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / (1024.0 * 1024.0))
}
