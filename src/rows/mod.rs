//! The rows that break a migration: made up from the schema before, its text and what it changed, and run on the server.

mod aim;
mod baseline;
pub mod schema;
mod search;
mod values;

use std::sync::Arc;
use std::time::Duration;

use blake3::Hash;

use crate::layout::Source;
use crate::pool::{self, Pool};
use crate::trace::{self, Failure, Limits};

pub use schema::Schema;
pub use search::search;

/// What is to be searched.
pub struct Job<'a> {
    /// The databases.
    pub pool: &'a Arc<Pool>,
    /// The template before the migration.
    pub prefix: &'a Hash,
    /// The migration.
    pub source: &'a Source,
    /// What its runner writes afterwards.
    pub bookkeeping: &'a [String],
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
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// How many sets of rows were tried.
    pub tried: usize,
    /// Rows that make the migration fail.
    pub breaking: Vec<Breaking>,
    /// What ordinary rows lose by it.
    pub losses: Vec<Loss>,
    /// Tables that refused every row that was tried, with the server's reason.
    pub unpopulated: Vec<(String, String)>,
    /// Everything that was thought of was tried: more time would find no more.
    pub complete: bool,
}

/// Rows that the schema before accepts and that make the migration fail.
#[derive(Debug, Clone)]
pub struct Breaking {
    /// INSERT statements.
    pub setup: Vec<String>,
    /// How it fails.
    pub failure: Failure,
    /// The constraint that refuses is there before the migration.
    pub known: bool,
}

/// What a migration that succeeds takes from rows that nothing is wrong with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// Rows of a table that stays: the table, how many of how many.
    Rows(String, u64, u64),
    /// A column with values in it: table and column.
    Column(String, String),
    /// A table with rows in it.
    Table(String),
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
