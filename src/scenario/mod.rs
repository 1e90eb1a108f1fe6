//! Scenarios: the user's own cases, in sqllogictest files with one more record, `migrate`. A file migrates to a version, puts
//! rows in, migrates on, and says what must then be true.
//!
//! [`parse()`] reads a file, [`course()`] finds out what its `migrate` records come to on a chain, [`run()`] runs it on a database
//! of its own. Reading runs nothing; what is wrong is data, and becomes a finding in `check`.

mod course;
mod parse;
mod results;
mod run;
mod session;
pub mod skeleton;

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::trace::{self, Failure, ServerError};
use crate::{pool, rows};

pub use course::{Course, Leg, course, position};
pub use parse::parse;
pub use run::{Job, run};

/// What scenario files end in.
pub const EXTENSION: &str = ".slt";

/// One scenario file, as one tree has it.
#[derive(Debug, Clone)]
pub struct File {
    /// Relative to the repository.
    pub path: String,
    /// A name for the content: equal if and only if the bytes are.
    pub id: String,
    /// Its text, or why there is none.
    pub text: Result<Arc<str>, String>,
}

/// What a file says, in order.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its records.
    pub steps: Vec<Step>,
}

/// One record, with its lines.
#[derive(Debug, Clone)]
pub struct Step {
    /// From its first line to its last, from 1.
    pub lines: RangeInclusive<u32>,
    /// What it does.
    pub act: Act,
}

/// What a record does.
#[derive(Debug, Clone)]
pub enum Act {
    /// Moves the database along the chain.
    Migrate(Go),
    /// Anything that sqllogictest knows.
    Record(Box<Record>),
}

/// A record of sqllogictest.
pub type Record = sqllogictest::Record<sqllogictest::DefaultColumnType>;

/// Where a `migrate` record goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Go {
    /// To the state right after this version.
    To(String),
    /// One migration on.
    Up,
    /// So many migrations back.
    Down(usize),
    /// To the end of the chain.
    Latest,
}

/// Why a file cannot be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, from 1.
    pub lines: RangeInclusive<u32>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// What is not as the scenario says.
#[derive(Debug, Clone, PartialEq)]
pub struct Miss {
    /// The record's lines, from 1.
    pub lines: RangeInclusive<u32>,
    /// What happened.
    pub what: What,
}

/// What happened instead of what was expected.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// An assertion does not hold.
    Assertion {
        /// What is wrong, in a sentence.
        message: String,
        /// What the file says; none where it says nothing in particular.
        expected: Option<String>,
        /// What was there.
        actual: Option<String>,
        /// What the server said.
        error: Option<Box<ServerError>>,
    },
    /// A migration does not run over the scenario's rows.
    Migration {
        /// Which one of the chain, and in which direction.
        leg: Leg,
        /// How it fails.
        failure: Failure,
    },
    /// A migration that cannot be run in the direction that is asked for, and why.
    Impassable {
        /// Which one of the chain, and in which direction.
        leg: Leg,
        /// Why.
        why: &'static str,
    },
    /// A statement ran longer than a statement may, in milliseconds.
    Statement(u64),
    /// The scenario ran longer than a scenario may, in milliseconds.
    Whole(u64),
    /// The database grew beyond its bound, in bytes.
    Disk(u64),
}

impl What {
    /// Whether the same content would come to the same again: not where the machine's load or its disk decides.
    pub fn is_lasting(&self) -> bool {
        // Rolled back for others' sake, out of resources, interrupted, the system's fault, PostgreSQL's own.
        let passing =
            |error: &ServerError| ["40", "53", "57", "58", "XX"].iter().any(|c| error.sqlstate.starts_with(c));
        match self {
            What::Assertion { error, .. } => !error.as_ref().is_some_and(|error| passing(error)),
            What::Migration { failure, .. } => match &failure.cause {
                trace::Cause::Server(error) => !passing(error),
                trace::Cause::NotSql(_) => true,
                _ => false,
            },
            What::Impassable { .. } => true,
            What::Statement(_) | What::Whole(_) | What::Disk(_) => false,
        }
    }
}

/// Why a scenario could not be run to its end, or a skeleton not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No database.
    #[error(transparent)]
    Pool(#[from] pool::Error),
    /// A statement could not be observed, or the time for the whole judgement is over.
    #[error(transparent)]
    Trace(#[from] trace::apply::Error),
    /// No rows could be made up.
    #[error(transparent)]
    Rows(#[from] rows::Error),
    /// A template went away.
    #[error("a template went away while it was needed")]
    Template,
    /// The chain does not apply up to where the scenario starts.
    #[error("the chain does not apply up to where the scenario starts")]
    Unreached,
}
