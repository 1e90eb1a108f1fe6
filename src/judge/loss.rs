//! A server that goes away while it judges: chance, or the migration's doing.

use std::time::Duration;

use super::Error;
use super::run::Work;
use crate::layout::Source;
use crate::pool::Held;
use crate::trace::{Cause, Failure, Run};

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
