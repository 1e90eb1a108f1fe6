//! The catalog: what a database's schema is, and how two states of it differ, in words.
//!
//! A [`Reader`] makes a [`Snapshot`] of the database that its connection is in; [`compare()`] says how two of them differ.
//!
//! A snapshot is cheap to take again: every object carries the versions of the catalog rows that it was made from, so
//! [`Reader::since`] reads these versions (one query) and deparses only what has another version than in the base. A
//! database made by `CREATE DATABASE … TEMPLATE` keeps the row versions of its template, so the template's snapshot is a
//! base for all its clones. Row versions mean nothing across clusters: never use a base from another one.
//!
//! Blind spots: rows, roles and other catalogs that databases share, `ALTER DATABASE … SET`, large objects, security
//! labels, subscriptions, and the owner's own rights on what it owns when they are what everyone has by default.

mod compare;
mod moment;
mod object;
mod reader;
mod sections;
mod shape;
mod snapshot;
mod sources;
mod stored;
mod tally;
mod versions;
mod words;
mod written;

pub use compare::{Change, Difference, Grade, compare, compare_builds};
pub use moment::may_be_of_the_moment;
pub use object::Object;
pub use reader::Reader;
pub use snapshot::Snapshot;
pub use stored::Stored;
pub use tally::created;
pub use written::flush;

/// The names and oids of the catalogs that objects are rows of, as the server must have them.
pub fn catalogs() -> impl Iterator<Item = (&'static str, u32)> {
    sections::Class::ALL.iter().map(|c| c.home()).chain(written::catalogs())
}

/// Why the catalog could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server refused, or went away.
    #[error("the catalog could not be read: {}", said(.0))]
    Query(#[from] tokio_postgres::Error),
    /// The server is older than migd knows, or says no version.
    #[error("postgresql {0} is not supported, 12 is the oldest that is")]
    Version(String),
    /// A row was not what its query asks for.
    #[error("the catalog gave rows of an unknown form ({0})")]
    Form(&'static str),
}

/// What the server said, without the names of its C sources that its own `Display` has.
fn said(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None if error.is_closed() => "the connection is closed".to_owned(),
        None => error.to_string(),
    }
}
