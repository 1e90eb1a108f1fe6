//! The trace: what was observed while a migration ran. Data here, the running in [`apply`].

pub mod apply;
pub mod digest;
pub mod elevate;
mod extensions;
pub mod lend;
mod missing;
mod rights;
pub mod settings;
pub mod together;

use std::collections::BTreeMap;
use std::ops::Range;

use crate::verdict::RowCounts;

pub use apply::{Limits, run, supervised};

/// One direction of one migration, run once.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// The statements that were sent, in order; the last one may have failed.
    pub statements: Vec<Executed>,
    /// What went wrong, if anything.
    pub failure: Option<Failure>,
    /// Wall-clock time of the whole run, in milliseconds.
    pub ms: f64,
    /// Whether everything ran inside one transaction.
    pub transactional: bool,
    /// Whether the file opened a transaction that it did not end.
    pub left_open: bool,
    /// Rows changed, by table, as the server counted them.
    pub rows: BTreeMap<String, RowCounts>,
}

impl Run {
    /// Whether it ran to its end.
    pub fn ok(&self) -> bool {
        self.failure.is_none()
    }
}

/// One statement that was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Executed {
    /// Its bytes in the file's text.
    pub range: Range<usize>,
    /// Milliseconds.
    pub ms: f64,
    /// Rows that its command tag counts.
    pub rows: u64,
    /// Whether it was run with a superuser's rights ([`elevate`]).
    pub elevated: bool,
    /// What it was run again with, where it was refused at first.
    pub loan: Option<Loan>,
}

/// What a statement needs of production, and was given for itself where it was judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loan {
    /// The roles that whoever ran it became a member of, and is from then on.
    pub roles: Vec<String>,
    /// What was run before the statement,
    pub before: Vec<String>,
    /// and after it.
    pub after: Vec<String>,
    /// What was run inside of it, right behind the statements that make these roles.
    pub inside: BTreeMap<String, Vec<String>>,
    /// Roles that it drops, and that other databases of migd's had something of: that was out of sight meanwhile.
    pub elsewhere: Vec<String>,
    /// Names of databases in the place of which it was given the one that it ran in.
    pub databases: Vec<String>,
    /// What was run in its place: `SET ROLE` for `SET SESSION AUTHORIZATION`.
    pub instead: Option<String>,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The statement's bytes in the file's text; none when no statement of the file is to blame (the runner's own).
    pub range: Option<Range<usize>>,
    /// What happened.
    pub cause: Cause,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The server refused the statement.
    Server(Box<ServerError>),
    /// The statement ran longer than allowed and was cancelled; the limit in milliseconds.
    Timeout(u64),
    /// The database grew beyond its bound and the statement was cancelled; the bound in bytes.
    Disk(u64),
    /// The server closed the session.
    ConnectionLost(String),
    /// The server's process crashed, here and on every server before; how often.
    Crashed(u32),
    /// Something in the file is no SQL that a server could be sent.
    NotSql(crate::sql::ProblemKind),
}

/// What the server says about an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerError {
    /// The five-character code.
    pub sqlstate: String,
    /// The primary message.
    pub message: String,
    /// More about it.
    pub detail: Option<String>,
    /// What to try.
    pub hint: Option<String>,
    /// 1-based character position in the statement.
    pub position: Option<u32>,
    /// Where in a function it happened.
    pub context: Option<String>,
    /// The table.
    pub table: Option<String>,
    /// The column.
    pub column: Option<String>,
    /// The constraint.
    pub constraint: Option<String>,
    /// Schemas that have something of the name that is missing, as identifiers.
    pub elsewhere: Vec<String>,
    /// Constraints that may be meant by one that a table does not have, each with its definition.
    pub meant: Vec<String>,
    /// The version of the server that says it, as in `17.5`; empty where nobody has asked.
    pub server: String,
}

impl ServerError {
    /// The major version of the server that says it, where it is known.
    pub fn major(&self) -> Option<u32> {
        self.server.split('.').next()?.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().ok()
    }
}

impl From<&tokio_postgres::error::DbError> for ServerError {
    fn from(error: &tokio_postgres::error::DbError) -> Self {
        use tokio_postgres::error::ErrorPosition;
        let table = error.table().map(|table| match error.schema() {
            Some(schema) if schema != "public" => format!("{schema}.{table}"),
            _ => table.to_owned(),
        });
        ServerError {
            sqlstate: error.code().code().to_owned(),
            message: error.message().to_owned(),
            detail: error.detail().map(str::to_owned),
            hint: error.hint().map(str::to_owned),
            position: match error.position() {
                Some(ErrorPosition::Original(position)) => Some(*position),
                _ => None,
            },
            context: error.where_().map(str::to_owned),
            table,
            column: error.column().map(str::to_owned),
            constraint: error.constraint().map(str::to_owned),
            elsewhere: Vec::new(),
            meant: Vec::new(),
            server: String::new(),
        }
    }
}
