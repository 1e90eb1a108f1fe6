//! A server that goes away while it judges, or whose disk is full: chance, or the migration's doing.

use std::time::Duration;

use super::Error;
use super::run::Work;
use crate::layout::Source;
use crate::pool::Held;
use crate::trace::{Cause, Failure, Run};

/// What the server says when the system gives it no more room.
const DISK_FULL: &str = "53100";

impl Work<'_> {
    /// The server went away while a statement ran: chance, or the statement's doing if it is so every time.
    pub(super) fn crash(&self, source: &Source, range: std::ops::Range<usize>) -> Result<Run, Error> {
        let at = format!("{}:{}", source.path, crate::sql::LineIndex::new(&source.text).span(range.clone()).line);
        match self.order.crashed {
            Some((before, times)) if before == at => {
                let failure = Failure { range: Some(range), cause: Cause::Crashed(times + 1) };
                Ok(Run { failure: Some(failure), ..Run::default() })
            }
            _ => Err(Error::Crashed(at)),
        }
    }
}

impl Work<'_> {
    /// A disk that is full is the machine's, unless it is full at the same statement on a new server too.
    pub(super) fn full(&self, source: &Source, run: &Run) -> Option<Error> {
        let said = no_room(run)?;
        let range = run.failure.as_ref().and_then(|failure| failure.range.clone()).unwrap_or(0..0);
        let line = crate::sql::LineIndex::new(&source.text).span(range).line;
        let at = format!("{}:{line}", source.path);
        let again = self.order.crashed.is_some_and(|(before, _)| before == at);
        (!again).then(|| Error::Full(at, said.to_owned()))
    }
}

/// The server's words where the disk was full.
pub(super) fn no_room(run: &Run) -> Option<&str> {
    let Cause::Server(error) = &run.failure.as_ref()?.cause else { return None };
    (error.sqlstate == DISK_FULL).then_some(error.message.as_str())
}

/// Whether only the migration's own session is gone. A server that lost a process takes a moment to end the others.
pub(super) async fn survives(held: &Held) -> bool {
    for _ in 0..15 {
        if held.observer.client().simple_query("SELECT").await.is_err() {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    true
}
