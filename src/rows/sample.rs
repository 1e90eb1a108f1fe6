//! Rows for a person to go on with: one in every table that a migration touches, with every column filled in.

use super::Error;
use super::aim::Aims;
use super::baseline::{Refusal, Site, Wish};
use super::row::runnable;
use super::schema::Schema;
use crate::engine::session::Session;

/// One row for each touched table, and those that they need.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// INSERT statements, in order.
    pub setup: Vec<String>,
    /// The touched tables with a row, by number.
    pub tables: Vec<u32>,
    /// Tables that refused, with the reason.
    pub refused: Vec<(String, String)>,
}

/// Makes rows up for the tables of `before` that `text`, which makes `after` of it, touches. Leaves nothing behind.
pub async fn sample(session: &Session, before: &Schema, after: &Schema, text: &str) -> Result<Sample, Error> {
    let client = session.client();
    client.batch_execute("BEGIN; SET LOCAL statement_timeout = 2000; SET LOCAL client_min_messages = error").await?;
    let mut site = Site::new(session, before, before);
    let mut sample = Sample::default();
    for at in Aims::new(before, after, text).touched() {
        let table = &before.tables[at];
        let filled = table.columns.iter().filter(|(_, column)| !column.generated).map(|(number, _)| *number).collect();
        let mut put = site.put(&Wish { table: at, filled, ..Wish::default() }).await;
        if let Err(Refusal::Refused(..)) = put {
            // An arc, for one, takes no row with everything in it.
            put = site.put(&Wish { table: at, ..Wish::default() }).await;
        }
        match put {
            Ok(_) => sample.tables.push(table.oid),
            Err(Refusal::Refused(_, why)) => sample.refused.push((table.name.clone(), why)),
            Err(Refusal::There | Refusal::Lost) => {}
        }
    }
    let statements = site.rows.iter().map(|row| row.statement(before)).collect();
    sample.setup = runnable(&site.rows, statements);
    client.batch_execute("ROLLBACK").await?;
    Ok(sample)
}
