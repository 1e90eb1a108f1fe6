//! `migd check`: judge and print.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::progress::Progress;
use super::{Failure, print, runtime};
use crate::daemon::{Reported, Service, spawn};
use crate::judge::plan;
use crate::render::{self, Format};
use crate::verdict::{Report, Verdict};
use crate::wire::endpoint::private_dir;
use crate::wire::file;
use crate::wire::{CheckRequest, Endpoint, Place, Reply, Request, Selection, Terminal};

/// The options of `migd check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Judge what is staged (the default)
    #[arg(long, group = "selection")]
    staged: bool,
    /// Judge the files as they are on disk
    #[arg(long, group = "selection")]
    worktree: bool,
    /// Judge every migration of the chain, each at its own step
    #[arg(long, group = "selection")]
    all: bool,
    /// Judge what differs from this revision
    #[arg(long, group = "selection", value_name = "REV")]
    base: Option<String>,
    /// How long rows are searched for that break it, for each migration, as in 500ms or 1m
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    budget: Option<Duration>,
    /// Only this set; may be given several times
    #[arg(long, value_name = "NAME")]
    set: Vec<String>,
    /// How the verdict is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write it to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Judge in this process, without the daemon (for CI)
    #[arg(long)]
    no_daemon: bool,
    /// Write the rows of every `data.*` finding as a scenario that fails until the migration is repaired
    #[arg(long)]
    save_scenario: bool,
}

pub(super) fn run(args: &Args, endpoint: &Endpoint) -> Result<u8, Failure> {
    let mut place = Place::here()
        .map_err(|error| Failure::usage(format!("the current folder cannot be read: {error}"), "change to another"))?;
    if let Some(budget) = args.budget {
        place.env.insert(crate::wire::env::ROWS_BUDGET.to_owned(), humantime::format_duration(budget).to_string());
    }
    let selection = match &args.base {
        Some(rev) => Selection::Base(rev.clone()),
        None if args.worktree => Selection::Worktree,
        None if args.all => Selection::All,
        None => Selection::Staged,
    };
    let request = CheckRequest { sets: args.set.clone(), ..CheckRequest::new(place, selection) };
    let (repo, mode) = (request.place.cwd.to_string_lossy().into_owned(), plan::mode(&request.selection));
    let judged = match args.no_daemon {
        true => alone(&request, endpoint),
        false => asked(request, endpoint),
    };
    let (report, exit) = match judged {
        // Whatever reads the report is to find in it why there is no verdict.
        Err(failure) if args.format != Format::Text && !failure.code.is_empty() => {
            let verdict = Verdict::error(&*repo, "", mode, vec![failure.finding()]);
            (Report::new(repo, mode, 0.0, vec![verdict]), failure.exit)
        }
        other => other?,
    };
    if args.save_scenario {
        super::scenario::save(&report)?;
    }
    let terminal = if args.output.is_some() { Terminal::PLAIN } else { Terminal::of(&io::stdout()) };
    let text = render::render(&report, args.format, &terminal);
    match &args.output {
        Some(path) => write(path, &text)?,
        None => print(&text)?,
    }
    Ok(exit)
}

/// Asks the daemon.
pub(super) fn asked(request: CheckRequest, endpoint: &Endpoint) -> Result<(Report, u8), Failure> {
    let mut report = None;
    let progress = Progress::new();
    let exit = spawn::ask(endpoint, &Request::Check(request), |reply| match reply {
        Reply::Progress { text } => progress.say(&text),
        Reply::Report { json } => report = Some(json),
        _ => {}
    })?;
    progress.clear();
    let unreadable = || Failure::broken("the daemon's answer cannot be read", "try `migd restart`");
    let report = serde_json::from_str(&report.ok_or_else(unreadable)?).map_err(|_| unreadable())?;
    Ok((report, exit))
}

/// Judges in this process, with a server of its own that ends with it.
pub(super) fn alone(request: &CheckRequest, endpoint: &Endpoint) -> Result<(Report, u8), Failure> {
    let ready = endpoint.prepare().and_then(|()| private_dir(&endpoint.state));
    ready.map_err(|error| Failure::broken(error.to_string(), "`migd doctor` looks at everything it needs"))?;
    let progress = Arc::new(Progress::new());
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let service = Arc::new(Service::new(endpoint, true));
        let prepared = service.prepare(request).await?;
        let tell = Arc::clone(&progress);
        let work = service.check(request, &prepared, Arc::new(move |text| tell.say(text)));
        // Ctrl-C must not leave a server behind.
        let reported = tokio::select! {
            reported = work => Some(reported),
            _ = tokio::signal::ctrl_c() => None,
        };
        // A second one ends this, too.
        tokio::select! {
            () = service.stop() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        Ok::<_, Failure>(reported)
    });
    progress.clear();
    runtime.shutdown_timeout(Duration::from_secs(2));
    match outcome? {
        Some(Reported::Report { report, exit }) => Ok((*report, exit)),
        Some(Reported::Untouched) | None => Err(Failure::broken("interrupted", "")),
    }
}

/// Writes `text` to `path`, whole or not at all.
fn write(path: &std::path::Path, text: &str) -> Result<(), Failure> {
    file::replace(path, text.as_bytes(), file::PUBLIC).map_err(|error| {
        Failure::usage(format!("cannot write {}: {error}", path.display()), "choose another file for --output")
    })
}
