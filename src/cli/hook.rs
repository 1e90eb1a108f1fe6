//! `migd hook`: install, uninstall, and run what `migd-hook` hands over.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Failure, note, print, runtime};
use crate::daemon::{Service, service, spawn};
use crate::hooks::{self, Hooks};
use crate::repo::{Location, Repo};
use crate::wire::file;
use crate::wire::{self, CheckRequest, ClientError, Endpoint, Place, Reply, Request, Terminal};

/// The file in the state folder that has what was said of hooks that cannot be renewed, and how many lines of it are kept.
const UNRENEWED: &str = "unrenewed";
const UNRENEWED_LINES: usize = 63;

/// The options of `migd hook`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Install the hook into this repository; an existing one is kept
    Install {
        /// What the hook is; without it, what was asked for the last time, or auto
        #[arg(long, value_enum)]
        form: Option<Form>,
    },
    /// Remove it and leave what was there before
    Uninstall,
    /// Judge the staged migrations as the hook does
    PreCommit {
        /// migd-hook has asked the daemon, which did not answer
        #[arg(long, hide = true)]
        unanswered: bool,
    },
}

/// What the hook is.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Form {
    /// A program where nobody else has a part in it and it needs nothing but Linux, else a script
    Auto,
    /// A shell script that calls migd-hook; you can add commands to it
    Script,
    /// A copy of migd-hook, which starts sooner than a shell
    Program,
}

pub(super) fn run(args: &Args, endpoint: &Endpoint) -> Result<u8, Failure> {
    match args.action {
        Action::Install { form } => install(form).and_then(|lines| say(&lines)),
        Action::Uninstall => uninstall().and_then(|lines| say(&lines)),
        Action::PreCommit { unanswered } => pre_commit(endpoint, unanswered),
    }
}

fn say(lines: &[String]) -> Result<u8, Failure> {
    lines.iter().try_for_each(|line| print(&format!("{line}\n")))?;
    Ok(0)
}

/// Installs the hooks into the repository of the current folder. What was done, line by line.
pub(super) fn install(form: Option<Form>) -> Result<Vec<String>, Failure> {
    let form = form.map(|form| match form {
        Form::Auto => hooks::Form::Auto,
        Form::Script => hooks::Form::Script,
        Form::Program => hooks::Form::Program,
    });
    Ok(hooks()?.install(&program()?, form)?)
}

fn uninstall() -> Result<Vec<String>, Failure> {
    Ok(hooks()?.uninstall()?)
}

fn hooks() -> Result<Hooks, Failure> {
    let place = Place::here()
        .map_err(|error| Failure::usage(format!("the current folder cannot be read: {error}"), "change to another"))?;
    let repo = Repo::open(&Location { cwd: place.cwd, git_env: place.env }).map_err(crate::judge::Error::from)?;
    Ok(Hooks::of(&repo)?)
}

/// The `migd-hook` beside this program.
fn program() -> Result<PathBuf, Failure> {
    let program = wire::endpoint::program().map(|migd| migd.with_file_name("migd-hook"));
    program
        .ok()
        .filter(|program| program.is_file())
        .ok_or_else(|| Failure::broken("there is no migd-hook beside this migd", "install both: ./install.sh"))
}

impl From<hooks::Error> for Failure {
    fn from(error: hooks::Error) -> Self {
        Failure::usage(error.to_string(), error.help())
    }
}

/// What `migd-hook` does, with everything that it leaves to this program: no daemon yet, one of another build, one that does not
/// answer.
fn pre_commit(endpoint: &Endpoint, unanswered: bool) -> Result<u8, Failure> {
    if wire::env::is_off() {
        note("off for this commit (MIGD=0), nothing was judged");
        return Ok(0);
    }
    // A hook that is a copy of an earlier program comes here; the next commit is to have the short way again. Before there
    // is a second thread: a child of that one could have the copy open while git runs it.
    renew(endpoint);
    let place = Place::here()
        .map_err(|error| Failure::usage(format!("the current folder cannot be read: {error}"), "change to another"))?;
    let request = CheckRequest::of_hook(place, Terminal::of(&io::stderr()));
    let untouched = untouched(&request, endpoint);
    let (lenient, budget) = match untouched {
        Ok(None) => return Ok(0),
        Ok(Some(prepared)) => (!prepared.block, prepared.budget),
        Err(failure) => return Err(way_around(failure)),
    };
    let mut stderr = io::stderr();
    let asked = match unanswered {
        true => Err(ClientError::Late { waited: wire::client::ACCEPT, block: !lenient }.into()),
        false => spawn::ask_within(budget, endpoint, &Request::Check(request), |reply| match reply {
            Reply::Progress { text } => note(&text),
            Reply::Text { text } => {
                let _ = wire::terminal::write(&mut stderr, &text);
            }
            _ => {}
        }),
    };
    match asked {
        Ok(exit) => Ok(exit),
        Err(error) if lenient => {
            note(&format!("warning: {error}"));
            note("warning: committing without a verdict (`hook.unavailable = \"warn\"`)");
            Ok(0)
        }
        Err(error) => Err(way_around(error.into())),
    }
}

/// Puts copies of the installed program in the place of earlier ones. Where that cannot be done every commit takes the longer way,
/// which is said once for each program that is installed.
fn renew(endpoint: &Endpoint) {
    let (Ok(hooks), Ok(program)) = (hooks(), program()) else { return };
    if let Err(error) = hooks.renew(&program) {
        let said = format!("{} {error}\n", wire::endpoint::build_of(&program));
        let path = endpoint.state.join(UNRENEWED);
        let before = fs::read_to_string(&path).unwrap_or_default();
        if before.split_inclusive('\n').any(|line| line == said) {
            return;
        }
        note(&format!("{error}: the hook stays a copy of an earlier migd-hook, and each commit takes a little longer"));
        note(&format!("help: {}, then `migd hook install`", error.help()));
        let kept = before.split_inclusive('\n').rev().take(UNRENEWED_LINES);
        let text: String = std::iter::once(said.as_str()).chain(kept).collect();
        // Where it cannot be written down, it is said again.
        let _ = wire::endpoint::private_dir(&endpoint.state)
            .and_then(|()| file::replace(&path, text.as_bytes(), file::PRIVATE));
    }
}

/// Reads the repository in this process; none when the commit touches no set, and nothing need be started.
fn untouched(request: &CheckRequest, endpoint: &Endpoint) -> Result<Option<service::Prepared>, Failure> {
    let runtime = runtime()?;
    let service = Arc::new(Service::new(endpoint, true));
    let prepared = runtime.block_on(service.prepare(request))?;
    Ok(Some(prepared).filter(|prepared| !prepared.is_untouched()))
}

/// Says how to commit all the same.
fn way_around(mut failure: Failure) -> Failure {
    failure.help.push_str("\nto commit without a verdict: `MIGD=0 git commit` or `git commit --no-verify`");
    failure.exit = failure.exit.max(2);
    failure
}
