//! `migd scenario`: run scenarios by hand, write one to go on with; and what `migd check --save-scenario` writes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{Failure, check, note, print, runtime};
use crate::daemon::Service;
use crate::render::{self, Format, line};
use crate::repo::{Location, Repo};
use crate::scenario::skeleton;
use crate::verdict::{Report, ScenarioReport, Verdict};
use crate::wire::endpoint::private_dir;
use crate::wire::file;
use crate::wire::{CheckRequest, Endpoint, Place, Selection, Terminal};

/// The options of `migd scenario`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Run scenarios as they lie on disk, over the migrations as they lie on disk
    Run {
        /// Which; all when left out
        files: Vec<PathBuf>,
        /// Only this set's; may be given several times
        #[arg(long, value_name = "NAME")]
        set: Vec<String>,
        /// Run them in this process, without the daemon (for CI)
        #[arg(long)]
        no_daemon: bool,
    },
    /// Write a scenario for a migration: rows in every table that it touches, and what becomes of them
    New {
        /// The migration's version
        version: String,
        /// The set that has it
        #[arg(long, value_name = "NAME")]
        set: Option<String>,
    },
}

pub(super) fn run(args: &Args, endpoint: &Endpoint) -> Result<u8, Failure> {
    match &args.action {
        Action::Run { files, set, no_daemon } => run_files(files, set, *no_daemon, endpoint),
        Action::New { version, set } => new(version, set.as_deref(), endpoint),
    }
}

fn run_files(files: &[PathBuf], sets: &[String], no_daemon: bool, endpoint: &Endpoint) -> Result<u8, Failure> {
    let place = here()?;
    let root = top(&place)?;
    let own = |file: &PathBuf| {
        let stranger = || {
            let help = "scenarios end in .slt and lie in the folder `scenarios` of a migration set";
            Failure::usage(format!("{} is no scenario of this repository", file.display()), help)
        };
        let full = place.cwd.join(file).canonicalize().map_err(|_| stranger())?;
        let own = full.strip_prefix(&root).map_err(|_| stranger())?;
        Ok::<_, Failure>(own.to_string_lossy().into_owned())
    };
    let files = files.iter().map(own).collect::<Result<Vec<_>, _>>()?;
    let selection = Selection::Worktree;
    let request = CheckRequest { sets: sets.to_vec(), scenarios: Some(files), ..CheckRequest::new(place, selection) };
    let (report, exit) = match no_daemon {
        true => check::alone(&request, endpoint)?,
        false => check::asked(request, endpoint)?,
    };
    let terminal = Terminal::of(&io::stdout());
    let scenarios = || report.verdicts.iter().flat_map(|verdict| &verdict.scenarios);
    scenarios().try_for_each(|scenario| print(&told(scenario, &terminal)))?;
    if exit != 0 {
        print(&render::render(&report, Format::Text, &terminal))?;
    } else if scenarios().next().is_none() {
        note("there is no scenario");
    }
    Ok(exit)
}

/// `passed  migrations/scenarios/orders.slt  12.4 ms`
fn told(scenario: &ScenarioReport, terminal: &Terminal) -> String {
    let word = match scenario.passed {
        Some(true) => "passed",
        Some(false) => "failed",
        None => "not run",
    };
    format!("{word:<8} {}  {:.1} ms\n", line(&scenario.path, terminal.unicode), scenario.ms)
}

fn new(version: &str, set: Option<&str>, endpoint: &Endpoint) -> Result<u8, Failure> {
    let place = here()?;
    let root = top(&place)?;
    let ready = endpoint.prepare().and_then(|()| private_dir(&endpoint.state));
    ready.map_err(|error| Failure::broken(error.to_string(), "`migd doctor` looks at everything it needs"))?;
    let sets = set.map(str::to_owned).into_iter().collect();
    let request = CheckRequest { sets, ..CheckRequest::new(place, Selection::Worktree) };
    let runtime = runtime()?;
    let draft = runtime.block_on(async {
        let service = Arc::new(Service::new(endpoint, true));
        let prepared = service.prepare(&request).await?;
        let work = service.draft(&prepared, version, Arc::new(|_| {}));
        // Ctrl-C must not leave a server behind.
        let draft = tokio::select! {
            draft = work => Some(draft),
            _ = tokio::signal::ctrl_c() => None,
        };
        service.stop().await;
        match draft {
            Some(draft) => Ok(draft?),
            None => Err(Failure::broken("interrupted", "")),
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(2));
    let draft = draft?;
    match create(&root.join(&draft.path), &draft.text)? {
        true => print(&format!("wrote {}\n", draft.path))?,
        false => {
            let help = "it is yours: remove it, or give it another name";
            return Err(Failure::usage(format!("{} is there already", draft.path), help));
        }
    }
    draft.notes.iter().for_each(|said| note(&line(said, false)));
    Ok(0)
}

/// Writes the rows of every standing `data.*` finding as a scenario of its own.
pub(super) fn save(report: &Report) -> Result<(), Failure> {
    let root = Path::new(&report.repo);
    for verdict in &report.verdicts {
        for (path, text) in saved(verdict) {
            let mut name = format!("{path}.slt");
            let mut number = 1;
            while !create(&root.join(&name), &text)? {
                if std::fs::read_to_string(root.join(&name)).is_ok_and(|there| there == text) {
                    break;
                }
                number += 1;
                name = format!("{path}-{number}.slt");
            }
            note(&format!("saved {}", line(&name, false)));
        }
    }
    Ok(())
}

/// For each standing `data.*` finding with rows: where its scenario goes, without number and ending, and its text.
fn saved(verdict: &Verdict) -> Vec<(String, String)> {
    let standing = verdict.findings.iter().filter(|f| f.suppressed_by.is_none() && f.code.starts_with("data."));
    let file = |finding: &crate::verdict::Finding| {
        let rows = finding.counterexample.as_ref()?;
        let path = finding.path.as_deref()?;
        let migration = verdict.migrations.iter().find(|migration| migration.path == path)?;
        let about: Vec<&str> = finding.code.split('.').skip(1).chain(finding.table.as_deref()).collect();
        let name = format!("{}_{}", migration.version, about.join("_"));
        let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let comment = [
            format!("{}: the migration failed over these rows: {}", finding.code, rows.fails_with),
            "It must go through. Say at the end what should have become of them.".to_owned(),
        ];
        let previous = migration.previous.as_deref();
        let text = skeleton::text(&comment, previous, &migration.version, &rows.setup, &[]);
        Some((format!("{}/{}", verdict.scenario_folder, name.chars().map(plain).collect::<String>()), text))
    };
    standing.filter_map(file).collect()
}

/// Writes a new file, whole or not at all. False when there is one already.
fn create(path: &Path, text: &str) -> Result<bool, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::usage(
            format!("cannot write {}: {error}", path.display()),
            "check the folder's permissions and the disk",
        )
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    file::create(path, text.as_bytes(), file::PUBLIC).map_err(|error| failed(&error))
}

fn here() -> Result<Place, Failure> {
    Place::here()
        .map_err(|error| Failure::usage(format!("the current folder cannot be read: {error}"), "change to another"))
}

/// The top of the work tree.
fn top(place: &Place) -> Result<PathBuf, Failure> {
    let location = Location { cwd: place.cwd.clone(), git_env: place.env.clone() };
    let repo = Repo::open(&location).map_err(crate::judge::Error::from)?;
    let root = repo.root().and_then(|root| root.canonicalize().ok());
    root.ok_or_else(|| Failure::usage("the repository is bare", "there are no files on disk in it"))
}
