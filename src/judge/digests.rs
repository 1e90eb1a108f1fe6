//! The rows that a down should bring back, as far as they can be told.

use super::Error;
use crate::layout::{Migration, Source};
use crate::pool::Lease;
use crate::trace::digest::{self, Lister};

/// Whether a migration, in either direction, may change rows that are there: it writes to tables, or drops something.
pub(super) fn touches_rows(migration: &Migration) -> bool {
    let touches = |source: &Source| {
        let text = source.text[source.body.clone()].to_ascii_lowercase();
        ["insert", "update", "delete", "truncate", "merge", "copy", "drop", "alter column"]
            .iter()
            .any(|word| text.contains(word))
    };
    touches(&migration.up) || migration.down.as_ref().is_some_and(touches)
}

/// Makes ready, in a clone's own session, what [`digest_of`] asks for.
pub(super) async fn get_ready(held: &Lease) {
    // Whoever needs it and does not find it prepares it, and says what is wrong.
    let _ = held.own.get(Lister::prepare(&held.observer, &held.runner)).await;
}

/// The rows of every table; none where reading them fails, which functions of the migration's own can bring about.
pub(super) async fn digest_of(held: &Lease) -> Result<Option<digest::Digest>, Error> {
    let Lease { observer, runner, .. } = held;
    let read = async { held.own.get(Lister::prepare(observer, runner)).await?.read(observer, runner).await };
    match read.await {
        Ok(rows) => Ok(rows),
        Err(error) if runner.is_closed() || error.code().is_none_or(|code| code.code().starts_with("57P")) => {
            Err(Error::Lost(crate::engine::session::describe(&error)))
        }
        Err(error) => {
            tracing::info!(error = crate::engine::session::describe(&error), "the rows cannot be read");
            Ok(None)
        }
    }
}
