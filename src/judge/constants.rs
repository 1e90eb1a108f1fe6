//! Whether two defaults that are written in different ways are the same value: `ARRAY[]::text[]` and `'{}'::text[]`.
//!
//! The server that has both is asked, with the owner's rights, because a default may call the migration's own functions. It
//! says whether they depend on anything (an index takes no expression that does) and whether they are equal.

use tokio_postgres::SimpleQueryMessage;

use super::Error;
use super::run::fresh_session;
use crate::catalog::Difference;
use crate::pool::Held;

/// So many defaults of one migration are compared.
const COMPARED: usize = 20;

/// Grades as cosmetic those differences of `found` that are two ways to write one constant.
pub(super) async fn grade(held: &Held, found: &mut [Difference]) -> Result<(), Error> {
    let mut asked = 0;
    for difference in found {
        let Some((before, after)) = &difference.defaults else { continue };
        // What up or down has set in the session might decide how a text is read.
        if asked == 0 {
            close(held).await?;
            fresh_session(held).await?;
        }
        asked += 1;
        if asked > COMPARED {
            break;
        }
        if same(held, before, after).await? {
            difference.same_default();
        }
    }
    Ok(())
}

async fn same(held: &Held, before: &str, after: &str) -> Result<bool, Error> {
    let client = held.runner.client();
    let equal = format!("(({before}) IS NOT DISTINCT FROM ({after}))");
    let sql = format!(
        "BEGIN; SET LOCAL statement_timeout = '2s'; CREATE TEMPORARY TABLE migd_same (one int) ON COMMIT DROP; \
         CREATE INDEX ON migd_same (one) WHERE {equal}; \
         SELECT {equal} AND ({before})::text IS NOT DISTINCT FROM ({after})::text"
    );
    let answer = client.simple_query(&sql).await;
    close(held).await?;
    // What the server refuses to compare is not known to be the same.
    let rows = answer.unwrap_or_default();
    Ok(rows.iter().any(|message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("t"))))
}

/// Ends whatever transaction there is.
async fn close(held: &Held) -> Result<(), Error> {
    let closed = held.runner.client().batch_execute("ROLLBACK").await;
    closed.map_err(|error| Error::Lost(crate::engine::session::describe(&error)))
}
