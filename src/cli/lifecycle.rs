//! `migd start`, `stop`, `restart`, and the daemon itself.

use super::{Failure, note};
use crate::daemon::{self, spawn};
use crate::wire::{Endpoint, Place, Request};

pub(super) fn start(endpoint: &Endpoint) -> Result<u8, Failure> {
    let started = spawn::ensure(endpoint)?;
    note(if started { "the daemon is started" } else { "the daemon is already running" });
    // In a repository, the server is wanted too.
    if let Ok(place) = Place::here() {
        spawn::ask(endpoint, &Request::Warm(place), |_| {})?;
    }
    Ok(0)
}

pub(super) fn stop(endpoint: &Endpoint) -> Result<u8, Failure> {
    let stopped = spawn::stop(endpoint)?;
    note(if stopped { "the daemon and its servers are stopped" } else { "no daemon is running" });
    Ok(0)
}

pub(super) fn restart(endpoint: &Endpoint) -> Result<u8, Failure> {
    spawn::stop(endpoint)?;
    start(endpoint)
}

/// Runs the daemon in the foreground.
pub(super) fn daemon(endpoint: Endpoint) -> Result<u8, Failure> {
    match daemon::run(endpoint) {
        // Whoever started this one wanted a daemon, and there is one.
        Ok(()) | Err(daemon::Error::Running) => Ok(0),
        Err(error) => Err(Failure::broken(error.to_string(), "`migd doctor` looks at everything it needs")),
    }
}
