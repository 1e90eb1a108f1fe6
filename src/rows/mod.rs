//! The rows that break a migration: made up from the schema before, its text and what it changed, and run on the server.

mod aim;
mod baseline;
mod changed;
mod circle;
mod collide;
mod edit;
mod fate;
mod kept;
mod lost;
mod mend;
mod overlap;
mod partition;
mod related;
mod remedy;
mod row;
mod sample;
pub mod schema;
mod script;
mod search;
mod smaller;
mod values;
mod way_out;

use std::sync::Arc;
use std::time::Duration;

use blake3::Hash;

use crate::layout::Source;
use crate::pool::{self, Pool};
use crate::trace::{self, Executed, Failure, Limits};
use crate::verdict::Recipe;

pub use sample::{Sample, sample};
pub use schema::{Schema, Schemas};
pub use search::search;

/// What is to be searched.
pub struct Job<'a> {
    /// The databases.
    pub pool: &'a Arc<Pool>,
    /// The template before the migration.
    pub prefix: &'a Hash,
    /// The migration.
    pub source: &'a Source,
    /// Its reverse, where it has one.
    pub down: Option<&'a Source>,
    /// What became of their statements, up's and down's.
    pub ran: (&'a [Executed], &'a [Executed]),
    /// What its runner writes afterwards.
    pub bookkeeping: &'a [String],
    /// What it writes after the reverse.
    pub reverted: &'a [String],
    /// The bounds of one run.
    pub limits: Limits,
    /// The schema before.
    pub before: &'a Schema,
    /// The schema after.
    pub after: &'a Schema,
    /// What production has: tables and columns beyond it have no rows or values that the change does not make.
    pub production: &'a Schema,
    /// When the search ends.
    pub budget: Duration,
    /// Values in pairs, columns that the text does not mention and crowds of rows are tried as well.
    pub deep: bool,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// How many sets of rows were tried.
    pub tried: usize,
    /// How many further ones there was no time for.
    pub left_out: usize,
    /// Rows that make the migration fail.
    pub breaking: Vec<Breaking>,
    /// What ordinary rows lose by it.
    pub losses: Vec<Loss>,
    /// Ordinary rows that up leaves alone, and that make down fail.
    pub stuck: Option<Stuck>,
    /// Tables that refused every row that was tried, with the server's reason.
    pub unpopulated: Vec<(String, String)>,
    /// Everything that was thought of was tried: more time would find no more.
    pub complete: bool,
}

/// Rows that the schema before accepts and that make the migration fail.
#[derive(Debug, Clone)]
pub struct Breaking {
    /// INSERT statements, and UPDATE statements for rows that the chain itself has inserted, or a trigger has given other
    /// values. Between BEGIN and COMMIT where one comes before the row that it points to.
    pub setup: Vec<String>,
    /// How it fails.
    pub failure: Failure,
    /// What refuses is there before the migration.
    pub known: bool,
    /// The table and the column, where the server does not name them.
    pub about: Option<(String, String)>,
    /// Counts, in the schema before, the rows that are in the way; tried over these rows.
    pub query: Option<String>,
    /// Ways out with each of which the migration passes over these rows.
    pub recipes: Vec<Recipe>,
}

/// Rows over which up passes, and then down does not.
#[derive(Debug, Clone)]
pub struct Stuck {
    /// INSERT statements for the schema before up.
    pub setup: Vec<String>,
    /// How down fails.
    pub failure: Failure,
}

/// What a migration that succeeds takes from rows that nothing is wrong with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// What is gone.
    pub what: Lost,
    /// The table, as it is written in SQL.
    pub table: String,
    /// The column, as it is; none where whole rows go.
    pub column: Option<String>,
    /// A value before and after.
    pub example: Option<(String, String)>,
    /// Counts, in the schema before, what would be lost.
    pub query: Option<String>,
}

/// What is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// Rows of a table that stays: how many of how many.
    Rows(u64, u64),
    /// A column with values in it.
    Column,
    /// The same, where a statement makes other values of those first.
    Turned,
    /// The same, where a statement reads those first. Whether ordinary rows showed that they are nowhere afterwards.
    Read(bool),
    /// A table with rows in it.
    Table,
    /// Values are cut or become other ones, in a column that the migration gives another type or does not mention.
    Values,
    /// Several values that the migration overwrites become one.
    Collapsed,
    /// Numbers are rounded, times lose their hours.
    Precision,
    /// What up takes, or overwrites, and down does not bring back.
    NotReverted,
}

/// Why a search could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No database.
    #[error(transparent)]
    Pool(#[from] pool::Error),
    /// The migration could not be observed.
    #[error(transparent)]
    Trace(#[from] trace::apply::Error),
    /// The schema could not be read.
    #[error("cannot read the schema: {}", crate::engine::session::describe(.0))]
    Schema(#[from] tokio_postgres::Error),
    /// A template went away.
    #[error("a template went away while it was needed")]
    Template,
}
