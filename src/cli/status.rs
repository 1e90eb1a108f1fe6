//! `migd status`: what the daemon is doing and where this repository's sets stand, in words or as JSON.

use std::io;
use std::time::Duration;

use super::{Failure, print};
use crate::daemon::spawn::{self, Health};
use crate::daemon::status::{EngineStatus, Given, Repository, SetStatus, Status, Watched, memory_of, repository};
use crate::judge::Error;
use crate::render::{counted, line};
use crate::verdict::Mode;
use crate::wire::{Endpoint, Place, Reply, Terminal, env};

/// The options of `migd status`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, endpoint: &Endpoint) -> Result<u8, Failure> {
    let health = spawn::health(endpoint);
    let silent = match &health {
        Health::Silent(pid, help) => Some((*pid, help.clone())),
        Health::Absent | Health::Well(_) => None,
    };
    let replies = if let Health::Well(replies) = health { replies } else { Vec::new() };
    let status = replies.into_iter().find_map(|reply| match reply {
        Reply::Status { json } => Some(json),
        _ => None,
    });
    let here = Place::here().ok().map(|place| repository(&place));
    if args.json {
        let mut object: serde_json::Value = status
            .and_then(|json| serde_json::from_str(&json).ok())
            .unwrap_or_else(|| serde_json::json!({ "running": false, "silent": silent.is_some() }));
        object["repository"] = match here {
            Some(Ok(repository)) => serde_json::to_value(repository).unwrap_or_default(),
            _ => serde_json::Value::Null,
        };
        print(&format!("{object}\n"))?;
        return Ok(0);
    }
    let terminal = Terminal::of(&io::stdout());
    let mut text = match status {
        None => match silent {
            Some((pid, help)) => {
                let who = pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
                format!("the daemon{who} does not answer [daemon.silent]\n{help}\n")
            }
            None => "no daemon is running; the next commit that touches a migration starts one\n".to_owned(),
        },
        Some(json) => {
            let status: Status = serde_json::from_str(&json)
                .map_err(|_| Failure::broken("the daemon is of another version", "`migd restart` replaces it"))?;
            let root = here.as_ref().and_then(|here| here.as_ref().ok()).map(|here| here.root.as_str());
            words(&status, root, &terminal)
        }
    };
    match here {
        Some(Ok(repository)) => text.push_str(&sets(&repository, &terminal)),
        // Outside of a repository there are no sets to speak of.
        Some(Err(Error::Repo(_))) | None => {}
        Some(Err(error)) => text.push_str(&format!("sets        {}\n", line(&error.to_string(), terminal.unicode))),
    }
    print(&text)?;
    Ok(0)
}

fn words(status: &Status, root: Option<&str>, terminal: &Terminal) -> String {
    let dot = terminal.dot();
    let memory = status.memory_bytes.map(|bytes| format!("{dot}{}", megabytes(bytes))).unwrap_or_default();
    let mut text = format!(
        "daemon      {}{dot}process {}{dot}up {}{memory}\n",
        status.version,
        status.pid,
        humantime::format_duration(Duration::from_secs(status.uptime_s)),
    );
    if status.engines.is_empty() {
        text.push_str("PostgreSQL  not running; it starts when something has to be judged\n");
    }
    for engine in &status.engines {
        text.push_str(&engine_words(engine, dot));
    }
    let cache = status.cache;
    text.push_str(&format!(
        "kept        {}{dot}{} used{dot}{} reached\n",
        counted(cache.kept, "verdict"),
        cache.hits,
        cache.misses
    ));
    for (at, given) in status.verdicts.iter().rev().take(5).enumerate() {
        text.push_str(&given_words(at == 0, given, root, terminal));
    }
    text.push_str(&watched(&status.watched, root, terminal));
    text.push_str(&format!("log         {}\n", status.log));
    let differing = env::differing(&status.environment, &env::surroundings());
    if !differing.is_empty() {
        let names = differing.join(", ");
        text.push_str(&format!("note        it was started with another {names}: `migd restart` gives it yours\n"));
    }
    text
}

fn engine_words(engine: &EngineStatus, dot: &str) -> String {
    let memory = engine.pid.and_then(servers_memory).map(|bytes| format!("{dot}{}", megabytes(bytes)));
    let place = if engine.tmpfs { format!("{dot}data in memory") } else { String::new() };
    format!(
        "PostgreSQL  {} ({}, {}){place}{}\ndatabases   {}{dot}{} ready\n",
        engine.version,
        engine.kind,
        engine.source,
        memory.unwrap_or_default(),
        counted(engine.pool.templates, "template"),
        counted(engine.pool.ready, "clone"),
    )
}

fn given_words(first: bool, given: &Given, root: Option<&str>, terminal: &Terminal) -> String {
    let dot = terminal.dot();
    let label = if first { "verdicts" } else { "" };
    let cached = if given.cached { " (cached)" } else { "" };
    let elsewhere = if Some(given.repo.as_str()) == root { String::new() } else { format!("{dot}{}", given.repo) };
    let age = humantime::format_duration(Duration::from_secs(given.age_s));
    // What could not even be read has no set.
    let set = if given.set.is_empty() { String::new() } else { format!("{}: ", given.set) };
    let why = given.why.as_ref().map(|why| format!(" [{}]", why.code)).unwrap_or_default();
    let outcome = given.outcome.as_str();
    let text = format!("{set}{outcome}{why}{dot}{:.1} ms{cached}{dot}{age} ago{elsewhere}", given.ms);
    // Cleaning a line takes the blanks at its ends away, so that what is aligned is put before it afterwards.
    format!("{label:<11} {}\n", line(&text, terminal.unicode))
}

/// What is watched: this repository's sets, and how many others.
fn watched(watched: &[Watched], root: Option<&str>, terminal: &Terminal) -> String {
    let (here, others): (Vec<&Watched>, Vec<&Watched>) =
        watched.iter().partition(|watched| Some(watched.repo.as_str()) == root);
    let mut lines = Vec::new();
    for watched in here {
        lines.push(match &watched.note {
            None => "this repository".to_owned(),
            Some(note) => format!("not all of this repository: {note}"),
        });
        for state in &watched.sets {
            let tree = if state.tree == Mode::Staged { ", staged" } else { "" };
            let outcome = state.outcome.map_or("being judged", |outcome| outcome.as_str());
            lines.push(format!("{}{tree}: {outcome}", state.set));
        }
    }
    match others.len() {
        0 => {}
        1 => lines.push(others[0].repo.clone()),
        more => lines.push(format!("{more} other repositories")),
    }
    let line = |(at, text): (usize, &String)| {
        format!("{:<11} {}\n", if at == 0 { "watched" } else { "" }, line(text, terminal.unicode))
    };
    lines.iter().enumerate().map(line).collect()
}

/// Where each set stands: what production may have, what the work tree has, whether there is need.
fn sets(repository: &Repository, terminal: &Terminal) -> String {
    let dot = terminal.dot();
    let describe = |(at, set): (usize, &SetStatus)| {
        let label = if at == 0 { "sets" } else { "" };
        let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "none".to_owned());
        let from = match (&set.base.upstream, &set.base.rev) {
            (Some(upstream), _) => upstream.trim_start_matches("refs/remotes/").trim_start_matches("refs/heads/"),
            (None, Some(_)) => "HEAD",
            (None, None) => "no commit",
        };
        let need = match set.pending.len() {
            0 => "up to date".to_owned(),
            count => format!("{count} pending"),
        };
        let (base, head) = (version(&set.base.version), version(&set.head));
        let count = counted(set.migrations, "migration");
        let text =
            format!("{} ({}, {count}){dot}base {base} ({from}){dot}head {head}{dot}{need}", set.name, set.layout);
        format!("{label:<11} {}\n", line(&text, terminal.unicode))
    };
    repository.sets.iter().enumerate().map(describe).collect()
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
