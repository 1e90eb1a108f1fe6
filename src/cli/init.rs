//! `migd init`: everything that the first commit needs.

use super::progress::Progress;
use super::{Failure, hook, note, print};
use crate::daemon::spawn;
use crate::wire::{Endpoint, Place, Reply, Request};

/// The options of `migd init`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write the configuration and the hook only, and leave PostgreSQL alone
    #[arg(long)]
    no_start: bool,
}

pub(super) fn run(args: &Args, endpoint: &Endpoint) -> Result<u8, Failure> {
    let place = Place::here()
        .map_err(|error| Failure::usage(format!("the current folder cannot be read: {error}"), "change to another"))?;
    for line in crate::setup::configure(&place)? {
        print(&format!("{line}\n"))?;
    }
    for line in hook::install(None)? {
        print(&format!("{line}\n"))?;
    }
    if args.no_start {
        return Ok(0);
    }
    // The first commit is to be a warm one, and a chain that does not apply is better known now.
    let progress = Progress::new();
    spawn::ask(endpoint, &Request::Ready(place), |reply| match reply {
        Reply::Progress { text } => progress.say(&text),
        Reply::Text { text } => {
            progress.clear();
            // What the daemon has done is done, whoever reads of it.
            let _ = print(&text);
        }
        _ => {}
    })
    .inspect_err(|_| note("the hook is installed; the first commit will try again"))
    .map_err(Failure::from)
}
