//! `migd doctor`: every precondition, each with its remedy.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use anstyle::{AnsiColor, Style};

use super::{Failure, print, runtime};
use crate::config::{Config, EngineKind};
use crate::daemon::spawn::Health;
use crate::daemon::status::Status;
use crate::daemon::{Service, spawn};
use crate::engine::ProbeLine;
use crate::hooks::Hooks;
use crate::judge::{Error, Kept, Query, plan};
use crate::render::line;
use crate::repo::{Location, Repo};
use crate::verdict::Severity;
use crate::wire::endpoint::private_dir;
use crate::wire::{Endpoint, Place, Reply, Selection, Terminal, env, frame};

/// One precondition.
struct Line {
    what: String,
    state: State,
    found: String,
    remedy: Option<String>,
    /// The finding code of a judgement that fails for want of it.
    code: Option<String>,
}

/// How far back the daemon's ends are counted.
const LATELY: Duration = Duration::from_secs(600);

/// How it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    /// Something works less well, or is not set up here.
    Weak,
    /// Nothing can be judged.
    Bad,
}

impl Line {
    fn good(what: &str, found: impl Into<String>) -> Line {
        Line { what: what.to_owned(), state: State::Good, found: found.into(), remedy: None, code: None }
    }

    fn weak(what: &str, found: impl Into<String>, remedy: impl Into<String>) -> Line {
        Line { what: what.to_owned(), state: State::Weak, found: found.into(), remedy: Some(remedy.into()), code: None }
    }

    fn bad(what: &str, found: impl Into<String>, remedy: impl Into<String>) -> Line {
        Line { state: State::Bad, ..Line::weak(what, found, remedy) }
    }

    fn code(self, code: &str) -> Line {
        Line { code: Some(code.to_owned()), ..self }
    }
}

/// Looks at everything. Status 3 when nothing could be judged here.
pub(super) fn run(endpoint: &Endpoint) -> Result<u8, Failure> {
    let place = Place::here()
        .map_err(|error| Failure::usage(format!("the current folder cannot be read: {error}"), "change to another"))?;
    let mut lines = folders(endpoint);
    lines.push(git());
    let mut root = None;
    let config = repository(&place, &mut root, &mut lines);
    lines.extend(request(&place));
    let status = daemon(endpoint, &mut lines);
    let runtime = runtime()?;
    let service = Service::new(endpoint, true);
    let engine = config.map(|config| config.engine).unwrap_or_default();
    let probes = runtime.block_on(service.probe(&engine));
    let lacking = probes.iter().any(|probe| !probe.ok && !probe.optional);
    lines.extend(probes.into_iter().map(probed));
    if !lacking && engine.kind != EngineKind::Url {
        lines.push(match runtime.block_on(service.trial(&engine)) {
            Ok(what) => Line::good("a server starts", what),
            Err(error) => Line::bad("a server starts", error.to_string(), error.help()).code(error.code()),
        });
    }
    match &status {
        Some(status) => lines.extend(last(status, root.as_deref())),
        // A daemon that runs, well or not, has its servers' locks.
        None if lines.iter().any(|line| line.code.as_deref() == Some("daemon.silent")) => {}
        None => {
            if let Err(error) = service.free(&engine) {
                lines.push(Line::bad("the server's lock", error.to_string(), error.help()).code(error.code()));
            }
        }
    }
    lines.extend(ends(endpoint));
    print(&text(&lines, &Terminal::of(&io::stdout())))?;
    Ok(if lines.iter().any(|line| line.state == State::Bad) { 3 } else { 0 })
}

fn probed(probe: ProbeLine) -> Line {
    let remedy = probe.remedy.unwrap_or_default();
    let line = match (probe.ok, probe.optional) {
        (true, _) => Line::good(&probe.what, probe.found),
        (false, true) => Line::weak(&probe.what, probe.found, remedy),
        (false, false) => Line::bad(&probe.what, probe.found, remedy),
    };
    Line { code: probe.code.map(str::to_owned), ..line }
}

fn folders(endpoint: &Endpoint) -> Vec<Line> {
    let look = |what: &str, path: &Path, variable: &str| {
        // That it is there does not say that anything can be written into it.
        let own = private_dir(path);
        let written = || tempfile::NamedTempFile::new_in(path)?.write_all(&[0; 4096]);
        let help = if own.is_ok() { "free some space" } else { "move away what is there" };
        match own.and_then(|()| written()) {
            Ok(()) => Line::good(what, path.display().to_string()),
            Err(error) => {
                let help = format!("{help}, or set {variable} to a folder of your own");
                Line::bad(what, format!("{}: {error}", path.display()), help).code("daemon.start")
            }
        }
    };
    let state = look("state folder", &endpoint.state, "MIGD_STATE_DIR");
    // A daemon that has its log open goes on without another byte.
    let full = state.state == State::Bad && endpoint.log().is_file() && private_dir(&endpoint.state).is_ok();
    let state = if full { Line { state: State::Weak, ..state } } else { state };
    vec![look("runtime folder", &endpoint.runtime, "MIGD_RUNTIME_DIR"), state]
}

fn git() -> Line {
    match std::process::Command::new("git").arg("--version").output() {
        Ok(output) if output.status.success() => {
            Line::good("git", String::from_utf8_lossy(&output.stdout).trim().trim_start_matches("git version "))
        }
        _ => Line::bad("git", "cannot be run", "install git, and have it on PATH"),
    }
}

/// What is known of the repository here, and its top. Its configuration, where there is a valid one.
fn repository(place: &Place, root: &mut Option<String>, lines: &mut Vec<Line>) -> Option<Config> {
    let repo = match Repo::open(&Location { cwd: place.cwd.clone(), git_env: place.env.clone() }) {
        Ok(repo) => repo,
        Err(error) => {
            lines.push(Line::weak("repository", error.to_string(), error.help()).code(error.code()));
            return None;
        }
    };
    let top = repo.root().unwrap_or(repo.git_dir()).display().to_string();
    *root = Some(top.clone());
    lines.push(Line::good("repository", top));
    let failed = |what: &str, error: &Error| Line::bad(what, error.to_string(), error.help()).code(error.code());
    let config = match plan::configuration(&repo, true, &place.env) {
        Ok(config) => config,
        Err(error) => {
            lines.push(failed("configuration", &error));
            return None;
        }
    };
    match plan::sets(&repo, &config) {
        Ok(sets) if sets.is_empty() => lines.push(failed("migration sets", &Error::no_sets())),
        Ok(sets) => {
            let names: Vec<&str> = sets.iter().map(plan::set_name).collect();
            lines.push(Line::good("migration sets", names.join(", ")));
            lines.extend(staged(&repo, config.clone()));
        }
        Err(error) => lines.push(failed("migration sets", &error)),
    }
    lines.push(match Hooks::of(&repo).and_then(|hooks| hooks.state()) {
        Ok(state) if state.installed && state.problems.is_empty() => {
            let copy = if state.is_copy { ", a copy of migd-hook" } else { "" };
            Line::good("git hook", format!("{}{copy}", state.folder.display()))
        }
        Ok(state) if state.installed => {
            let problems: Vec<&str> = state.problems.iter().map(|problem| problem.message.as_str()).collect();
            let remedies: Vec<&str> = state.problems.iter().map(|problem| problem.help.as_str()).collect();
            Line::weak("git hook", problems.join("; "), remedies.join("; "))
        }
        Ok(_) => Line::weak("git hook", "not installed", "`migd hook install`"),
        Err(error) => Line::weak("git hook", error.to_string(), error.help()),
    });
    Some(config)
}

/// Whether what is staged can be read as a chain, as far as no server is needed for it.
fn staged(repo: &Repo, config: Config) -> Vec<Line> {
    let query = Query { selection: &Selection::Staged, sets: &[], touched_only: false };
    let what = "staged files";
    let plan = match plan::plan(repo, config, &Kept::default(), &query) {
        Ok(plan) => plan,
        Err(error) => return vec![Line::bad(what, error.to_string(), error.help()).code(error.code())],
    };
    let findings = plan.sets.iter().flat_map(|set| &set.findings).filter(|finding| finding.code.starts_with("config."));
    let mut lines: Vec<Line> = findings
        .map(|finding| {
            let path = finding.path.as_deref().map(|path| format!("{path}: ")).unwrap_or_default();
            let found = format!("{path}{}", finding.message);
            let help = finding.help.clone().unwrap_or_default();
            let line = match finding.severity {
                Severity::Error => Line::bad(what, found, help),
                Severity::Warning | Severity::Note => Line::weak(what, found, help),
            };
            line.code(&finding.code)
        })
        .collect();
    if lines.is_empty() {
        lines.push(Line::good(what, "can be read"));
    }
    lines
}

/// What would be sent with every request, where that is more than a daemon reads.
fn request(place: &Place) -> Option<Line> {
    let bytes = serde_json::to_vec(place).map_or(0, |json| json.len());
    let found = format!("the GIT_* variables here have {bytes} bytes, more than a daemon reads");
    let line = || Line::bad("environment", found, "unset what git does not need: `env | grep ^GIT_`");
    (bytes + 4096 > frame::MAX_REQUEST as usize).then(|| line().code("daemon.request"))
}

/// How the daemon is, and whether it has the environment of whoever asks. Its own words.
fn daemon(endpoint: &Endpoint, lines: &mut Vec<Line>) -> Option<Status> {
    let replies = match spawn::health(endpoint) {
        Health::Absent => {
            lines.push(Line::good("daemon", "not running; it starts itself"));
            return None;
        }
        Health::Silent(pid, help) => {
            let who = pid.map(|pid| format!("process {pid}")).unwrap_or_else(|| "a process".to_owned());
            lines.push(
                Line::bad("daemon", format!("{who} has its lock and does not answer"), help).code("daemon.silent"),
            );
            return None;
        }
        Health::Well(replies) => replies,
    };
    let status = replies.into_iter().find_map(|reply| match reply {
        Reply::Status { json } => serde_json::from_str::<Status>(&json).ok(),
        _ => None,
    });
    let Some(status) = status else {
        lines.push(Line::weak("daemon", "its answer cannot be read", "`migd restart`"));
        return None;
    };
    let differing = env::differing(&status.environment, &env::surroundings());
    lines.push(match differing.is_empty() {
        true => Line::good("daemon", format!("running, process {}", status.pid)),
        false => {
            let found = format!("running, process {}, started with another {}", status.pid, differing.join(", "));
            Line::weak("daemon", found, "`migd restart` gives it yours")
        }
    });
    for watched in status.watched.iter().filter_map(|watched| watched.note.as_ref()).take(1) {
        let help = "commits are judged all the same; `sysctl fs.inotify.max_user_watches` and `max_user_instances`";
        lines.push(Line::weak("watching", watched.clone(), help));
    }
    Some(status)
}

/// A daemon that does not end by itself or by request but again and again.
fn ends(endpoint: &Endpoint) -> Option<Line> {
    let log = std::fs::read_to_string(endpoint.log()).ok()?;
    let lately = SystemTime::now() - LATELY;
    let (mut running, mut lost) = (false, 0);
    for entry in log.lines() {
        let time = entry.split(' ').next().and_then(|time| humantime::parse_rfc3339(time).ok());
        if entry.contains(" migd::daemon: listening ") {
            lost += u32::from(running && time.is_some_and(|time| time >= lately));
            running = true;
        } else if entry.contains(" migd::daemon: stopped") {
            running = false;
        }
    }
    let found = format!("it ended {lost} times in the last {} min without being asked to", LATELY.as_secs() / 60);
    let help = "`migd logs` has its last words; memory (`dmesg`) is the usual cause";
    (lost >= 3).then(|| Line::weak("the daemon's ends", found, help).code("daemon.lost"))
}

/// The last judgement here, where it came to nothing: what has passed by now is found too.
fn last(status: &Status, root: Option<&str>) -> Option<Line> {
    let here = |repo: &str| root.is_some_and(|root| Path::new(repo).starts_with(root));
    let given = status.verdicts.iter().rev().find(|given| here(&given.repo))?;
    let why = given.why.as_ref()?;
    let age = humantime::format_duration(Duration::from_secs(given.age_s));
    Some(Line::weak("last judgement", format!("{} ({age} ago)", why.message), why.help.clone()).code(&why.code))
}

fn text(lines: &[Line], terminal: &Terminal) -> String {
    let width = lines.iter().map(|line| line.what.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for entry in lines {
        let (mark, color) = match (entry.state, terminal.unicode) {
            (State::Good, true) => ("✓", AnsiColor::Green),
            (State::Good, false) => ("ok  ", AnsiColor::Green),
            (State::Weak, true) => ("–", AnsiColor::Yellow),
            (State::Weak, false) => ("note", AnsiColor::Yellow),
            (State::Bad, true) => ("✗", AnsiColor::Red),
            (State::Bad, false) => ("FAIL", AnsiColor::Red),
        };
        let style = if terminal.color { Style::new().fg_color(Some(color.into())) } else { Style::new() };
        let code = entry.code.as_ref().map(|code| format!(" [{code}]")).unwrap_or_default();
        let found = line(&format!("{}{code}", entry.found), terminal.unicode);
        text.push_str(&format!("{style}{mark}{style:#} {:<width$}  {found}\n", entry.what));
        if let Some(remedy) = entry.remedy.as_ref().filter(|remedy| !remedy.is_empty()) {
            let indent = mark.chars().count() + width + 3;
            text.push_str(&format!("{:indent$}{}\n", "", line(remedy, terminal.unicode)));
        }
    }
    text
}
