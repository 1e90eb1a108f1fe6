//! The catalog after each step of a judgement.

use super::Error;
use super::run::Observed;
use crate::catalog::{Snapshot, flush};
use crate::engine::Info;
use crate::engine::session::describe;
use crate::pool::Held;

/// The schema after all that has been run in the clone. Where the session that reads is a new one, only what the server has
/// counted as written is read, unless somebody else might write there, or a part of it ran with rights to turn the counting off.
pub(super) async fn after(lease: &Held, info: &Info, seen: &Observed) -> Result<Snapshot, Error> {
    let mut statements = seen.runs().flat_map(|run| &run.statements);
    let plain = statements.all(|statement| !statement.elevated && statement.loan.is_none());
    let (reader, client) = (&lease.reader, lease.observer.client());
    let counted = plain
        && !info.superuser
        && !info.shared
        && reader.asks_first()
        && flush(lease.runner.client()).await.map_err(|error| Error::Lost(describe(&error)))?;
    Ok(match counted {
        true => reader.since_counted(client, &lease.before).await?,
        false => reader.since(client, &lease.before).await?,
    })
}
