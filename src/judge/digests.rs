//! The rows that a down should bring back, as far as they can be told.

use super::Error;
use crate::engine::session::describe;
use crate::layout::{Migration, Source};
use crate::pool::Lease;
use crate::trace::digest::{Ahead, Digest, Lister};

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
    if let Ok(lister) = held.own.get(Lister::prepare(&held.observer, &held.runner)).await {
        let _ = lister.rehearse(&held.observer, &held.runner).await;
    }
}

/// The rows of every table; none where reading them fails, which functions of the migration's own can bring about.
pub(super) async fn digest_of(held: &Lease) -> Result<Option<Digest>, Error> {
    let Lease { observer, runner, .. } = held;
    told(held, async { held.own.get(Lister::prepare(observer, runner)).await?.read(observer, runner).await }.await)
}

/// The same, where `ahead` is what was read of it while the other session was busy.
pub(super) async fn digest_after(held: &Lease, ahead: Ahead) -> Result<Option<Digest>, Error> {
    let Lease { observer, runner, .. } = held;
    let lister = held.own.get(Lister::prepare(observer, runner));
    told(held, async { lister.await?.read_after(observer, runner, ahead).await }.await)
}

fn told(held: &Lease, read: Result<Option<Digest>, tokio_postgres::Error>) -> Result<Option<Digest>, Error> {
    match read {
        Ok(rows) => Ok(rows),
        Err(error) if held.runner.is_closed() || error.code().is_none_or(|code| code.code().starts_with("57P")) => {
            Err(Error::Lost(describe(&error)))
        }
        Err(error) => {
            tracing::info!(error = describe(&error), "the rows cannot be read");
            Ok(None)
        }
    }
}
