//! A scenario to go on with: rows in every table that a migration touches, and what becomes of them, as it is today.

use serde::{Deserialize, Serialize};
use tokio_postgres::SimpleQueryMessage;

use super::Error;
use super::run::Work;
use crate::check;
use crate::engine::session::describe;
use crate::pool::Held;
use crate::rows::{self, Schema};
use crate::scenario::skeleton::{self, Assertion};
use crate::scenario::{self, Job};
use crate::trace::{self, apply::Bench};

/// A file that is to be written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Draft {
    /// Relative to the repository.
    pub path: String,
    /// Its text.
    pub text: String,
    /// What the user should know: how the migration fails over the rows, which tables refuse rows.
    pub notes: Vec<String>,
}

/// What no two runs give alike.
const VOLATILE: &[&str] =
    &["now(", "current_", "localtime", "clock_", "statement_t", "transaction_t", "random", "uuid", "txid"];

impl Work<'_> {
    /// A scenario for the migration at `at`.
    pub(super) async fn draft(&self, at: usize) -> Result<Draft, Error> {
        let chain = &self.set.chain.migrations;
        let migration = &chain[at];
        let previous = migration.previous.as_deref();
        let name = if migration.name.is_empty() { String::new() } else { format!("_{}", migration.name) };
        let stem: String = format!("{}{name}", migration.version).replace(['/', '\\', ' '], "_");
        let path = format!("{}/{stem}{}", self.set.scenario_folder, scenario::EXTENSION);
        let mut notes = Vec::new();
        if let Some(broken) = self.advance(at).await? {
            return Err(Error::Lost(format!("the chain before it does not apply: {}", broken.message)));
        }
        let plain = self.lease(at).await?;
        let before = Schema::read(plain.observer.client()).await.map_err(rows::Error::from)?;
        if let Some(failure) = self.up(&plain, at).await? {
            let message = check::apply_failure(&migration.up, &failure).message;
            return Err(Error::Lost(format!("migration {} does not apply: {message}", migration.version)));
        }
        let after = Schema::read(plain.observer.client()).await.map_err(rows::Error::from)?;
        let text = &migration.up.text[migration.up.body.clone()];
        let filled = self.lease(at).await?;
        let sample = rows::sample(&filled.runner, &before, &after, text).await?;
        notes.extend(sample.refused.iter().map(|(table, why)| format!("no row could be made up for {table}: {why}")));
        let script: String = sample.setup.iter().map(|statement| format!("{statement}; ")).collect();
        let client = filled.runner.client();
        let lost = |error: tokio_postgres::Error| Error::Lost(describe(&error));
        client.batch_execute(&format!("BEGIN; {script}COMMIT")).await.map_err(lost)?;
        client.batch_execute("DISCARD ALL").await.map_err(lost)?;
        let mut assertions = Vec::new();
        match self.up(&filled, at).await? {
            Some(failure) => {
                let message = check::apply_failure(&migration.up, &failure).message;
                notes.push(format!("over these rows the migration fails: {message}"));
            }
            None => {
                for oid in &sample.tables {
                    assertions.extend(assertion(&filled, &before, &after, *oid).await.map_err(lost)?);
                }
            }
        }
        let comment = [format!("What becomes of rows under {}. Say here what must be true.", migration.version)];
        let written = |assertions: &[Assertion]| {
            skeleton::text(&comment, previous, &migration.version, &sample.setup, assertions)
        };
        let mut text = written(&assertions);
        // What is written holds as it is written: an answer that another run does not give is left out.
        while !assertions.is_empty() && !self.holds(at, &text).await? {
            assertions.pop();
            text = written(&assertions);
        }
        Ok(Draft { path, text, notes })
    }

    async fn up(&self, held: &Held, at: usize) -> Result<Option<trace::Failure>, Error> {
        let migration = &self.set.chain.migrations[at];
        let limits = self.limits(self.order.deadline);
        let bench = Bench { runner: &held.runner, observer: &held.observer, limits: &limits };
        let run = trace::run(bench, &migration.up, &self.set.layout.bookkeeping(migration).applied).await?;
        if run.ok() {
            let fresh = held.runner.client().batch_execute("DISCARD ALL").await;
            fresh.map_err(|error| Error::Lost(describe(&error)))?;
        }
        Ok(run.failure)
    }

    async fn holds(&self, at: usize, text: &str) -> Result<bool, Error> {
        let chain = &self.set.chain.migrations;
        let Ok(read) = scenario::parse(text) else { return Ok(false) };
        let Ok(course) = scenario::course(&read, chain) else { return Ok(false) };
        // The first migration's begins with none.
        let from = course.start.min(at);
        let job = Job {
            pool: self.pool,
            template: (&self.prefixes[from], from),
            chain,
            layout: self.set.layout,
            limits: self.limits(self.order.deadline),
            whole: self.plan.config.limits.scenario,
        };
        Ok(scenario::run(&job, &read, &course).await?.is_none())
    }
}

/// What is in a table now, in the columns that have the same values whenever it is asked.
async fn assertion(
    held: &Held,
    before: &Schema,
    after: &Schema,
    oid: u32,
) -> Result<Option<Assertion>, tokio_postgres::Error> {
    let (Some(old), Some(table)) = (before.get(oid), after.get(oid)) else { return Ok(None) };
    let stable = table.columns.iter().filter(|(number, column)| {
        let default = column.default.as_deref().unwrap_or_default().to_lowercase();
        let given = old.columns.contains_key(*number) && !column.generated;
        given || !VOLATILE.iter().any(|word| default.contains(word))
    });
    let columns: Vec<_> = stable.map(|(_, column)| column).collect();
    if columns.is_empty() {
        return Ok(None);
    }
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let sql = format!("SELECT {} FROM {}", names.join(", "), table.name);
    let letter = |category: &str, kind: &str| match (category, kind) {
        (_, "int2" | "int4" | "int8") => 'I',
        ("N", _) => 'R',
        _ => 'T',
    };
    let types = columns.iter().map(|column| letter(&column.category, &column.kind)).collect();
    let mut rows = Vec::new();
    for message in held.runner.client().simple_query(&sql).await? {
        let SimpleQueryMessage::Row(row) = message else { continue };
        let value = |at| match row.get(at) {
            None => "NULL".to_owned(),
            Some("") => "(empty)".to_owned(),
            Some(text) => text.to_owned(),
        };
        rows.push((0..row.len()).map(value).collect::<Vec<_>>());
    }
    rows.sort_unstable();
    Ok(Some(Assertion { sql, types, rows }))
}
