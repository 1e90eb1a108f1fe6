//! The catalog after each step of a judgement.

use super::Error;
use super::run::Observed;
use crate::catalog::{Snapshot, flush};
use crate::engine::Info;
use crate::engine::session::describe;
use crate::pool::Held;

/// Whether the server's counts of what was written may be believed in its clones: a superuser could have turned the counting
/// off, and others could have written on a server that is shared.
fn counts(info: &Info) -> bool {
    !info.superuser && !info.shared
}

/// Has what [`after`] begins with planned, while the session that reads has nothing else to do.
pub(super) async fn ahead(lease: &Held, info: &Info) {
    let (reader, client) = (&lease.reader, lease.observer.client());
    match counts(info) {
        true => reader.rehearse_counted(client, &lease.before).await,
        false => reader.rehearse(client, &lease.before).await,
    }
}

/// The schema after all that has been run in the clone. Where the session that reads is a new one, only what the server has
/// counted as written is read, unless a part of what was run had rights to turn the counting off.
pub(super) async fn after(lease: &Held, info: &Info, seen: &Observed) -> Result<Snapshot, Error> {
    let mut statements = seen.runs().flat_map(|run| &run.statements);
    let plain = statements.all(|statement| !statement.elevated && statement.loan.is_none());
    let (reader, client) = (&lease.reader, lease.observer.client());
    let counted = plain
        && counts(info)
        && reader.asks_first()
        && flush(lease.runner.client()).await.map_err(|error| Error::Lost(describe(&error)))?;
    Ok(match counted {
        true => reader.since_counted(client, &lease.before).await?,
        false => reader.since(client, &lease.before).await?,
    })
}
