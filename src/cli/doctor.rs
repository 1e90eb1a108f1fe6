//! `migd doctor`: every precondition, each with its remedy.

use std::io;

use anstyle::{AnsiColor, Style};

use super::{Failure, print, runtime};
use crate::daemon::{Service, spawn};
use crate::hooks::Hooks;
use crate::judge::plan;
use crate::layout::LAYOUTS;
use crate::render::line;
use crate::repo::{Location, Repo};
use crate::wire::endpoint::private_dir;
use crate::wire::{Endpoint, Place, Reply, Request, Terminal};

/// One precondition.
struct Line {
    what: String,
    state: State,
    found: String,
    remedy: Option<String>,
}

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
        Line { what: what.to_owned(), state: State::Good, found: found.into(), remedy: None }
    }

    fn weak(what: &str, found: impl Into<String>, remedy: impl Into<String>) -> Line {
        Line { what: what.to_owned(), state: State::Weak, found: found.into(), remedy: Some(remedy.into()) }
    }

    fn bad(what: &str, found: impl Into<String>, remedy: impl Into<String>) -> Line {
        Line { what: what.to_owned(), state: State::Bad, found: found.into(), remedy: Some(remedy.into()) }
    }
}

/// Looks at everything. Status 3 when nothing could be judged here.
pub(super) fn run(endpoint: &Endpoint) -> Result<u8, Failure> {
    let place = Place::here()
        .map_err(|error| Failure::usage(format!("the current folder cannot be read: {error}"), "change to another"))?;
    let mut lines = folders(endpoint);
    lines.push(git());
    let config = repository(&place, &mut lines);
    lines.push(daemon(endpoint));
    let runtime = runtime()?;
    let service = Service::new(endpoint, true);
    let engine = config.map(|config| config.engine).unwrap_or_default();
    for probe in runtime.block_on(service.probe(&engine)) {
        let remedy = probe.remedy.unwrap_or_default();
        lines.push(match (probe.ok, probe.optional) {
            (true, _) => Line::good(&probe.what, probe.found),
            (false, true) => Line::weak(&probe.what, probe.found, remedy),
            (false, false) => Line::bad(&probe.what, probe.found, remedy),
        });
    }
    print(&text(&lines, &Terminal::of(&io::stdout())));
    Ok(if lines.iter().any(|line| line.state == State::Bad) { 3 } else { 0 })
}

fn folders(endpoint: &Endpoint) -> Vec<Line> {
    let look = |what: &str, path: &std::path::Path, variable: &str| match private_dir(path) {
        Ok(()) => Line::good(what, path.display().to_string()),
        Err(error) => {
            Line::bad(what, format!("{}: {error}", path.display()), format!("set {variable} to a folder of your own"))
        }
    };
    vec![
        look("runtime folder", &endpoint.runtime, "MIGD_RUNTIME_DIR"),
        look("state folder", &endpoint.state, "MIGD_STATE_DIR"),
    ]
}

fn git() -> Line {
    match std::process::Command::new("git").arg("--version").output() {
        Ok(output) if output.status.success() => {
            Line::good("git", String::from_utf8_lossy(&output.stdout).trim().trim_start_matches("git version "))
        }
        _ => Line::bad("git", "cannot be run", "install git, and have it on PATH"),
    }
}

/// What is known of the repository here. Its configuration, where there is a valid one.
fn repository(place: &Place, lines: &mut Vec<Line>) -> Option<crate::config::Config> {
    let repo = match Repo::open(&Location { cwd: place.cwd.clone(), git_env: place.env.clone() }) {
        Ok(repo) => repo,
        Err(error) => {
            lines.push(Line::weak("repository", error.to_string(), error.help()));
            return None;
        }
    };
    let top = repo.root().unwrap_or(repo.git_dir()).display().to_string();
    lines.push(Line::good("repository", top));
    let config = match plan::configuration(&repo, true, &place.env) {
        Ok(config) => config,
        Err(error) => {
            lines.push(Line::bad("configuration", error.to_string(), error.help()));
            return None;
        }
    };
    match plan::sets(&repo, &config) {
        Ok(sets) if sets.is_empty() => {
            let known: Vec<&str> = LAYOUTS.iter().map(|layout| layout.name()).collect();
            let remedy = format!("state one in migd.toml; the layouts are: {}", known.join(", "));
            lines.push(Line::bad("migration sets", "none was found", remedy));
        }
        Ok(sets) => {
            let names: Vec<&str> = sets.iter().map(plan::set_name).collect();
            lines.push(Line::good("migration sets", names.join(", ")));
        }
        Err(error) => lines.push(Line::bad("migration sets", error.to_string(), error.help())),
    }
    lines.push(match Hooks::of(&repo).and_then(|hooks| hooks.state()) {
        Ok(state) if state.installed && state.problems.is_empty() => {
            Line::good("git hook", state.folder.display().to_string())
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

fn daemon(endpoint: &Endpoint) -> Line {
    match spawn::ask_running(endpoint, Request::Status) {
        Some(replies) if replies.iter().any(|reply| matches!(reply, Reply::Status { .. })) => {
            Line::good("daemon", "running")
        }
        Some(_) => Line::weak("daemon", "its answer cannot be read", "`migd restart`"),
        None => Line::good("daemon", "not running; it starts itself"),
    }
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
        let found = line(&entry.found, terminal.unicode);
        text.push_str(&format!("{style}{mark}{style:#} {:<width$}  {found}\n", entry.what));
        if let Some(remedy) = entry.remedy.as_ref().filter(|remedy| !remedy.is_empty()) {
            let indent = mark.chars().count() + width + 3;
            text.push_str(&format!("{:indent$}{}\n", "", line(remedy, terminal.unicode)));
        }
    }
    text
}
