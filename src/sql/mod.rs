//! SQL as text: statements with their byte ranges, what kind each is, and migd's directives. Pure, no I/O.
//!
//! A splitter, not a parser: it knows PostgreSQL's lexical rules (strings, `E''`, dollar quotes, nested comments, quoted
//! identifiers, `BEGIN ATOMIC` bodies, `COPY … FROM STDIN` data) and the leading keywords of a statement.

mod directive;
mod identifier;
mod kind;
pub(crate) mod lexer;
mod lines;
mod split;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub use directive::{
    Action, DEV_ONLY, Day, Directive, Directives, Malformed, MalformedKind, directives, directives_in,
};
pub use identifier::identifier;
pub use kind::classify;
pub use lines::LineIndex;
pub use split::{split, split_range};

/// A file's text, cut into statements.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// The statements, in order. Comment-only and empty stretches are not statements.
    pub statements: Vec<Statement>,
    /// What the splitter could not make sense of, in order of place.
    pub problems: Vec<Problem>,
    /// The comments, in order, with their markers.
    pub comments: Vec<Range<usize>>,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its bytes in the text: from its first token to its last, without the closing semicolon.
    pub range: Range<usize>,
    /// What it is, as far as its keywords tell.
    pub kind: Kind,
    /// The data lines of a `COPY … FROM STDIN`, without the closing `\.` line.
    pub copy_data: Option<Range<usize>>,
}

/// What a statement is, as far as migd must treat it differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `BEGIN`, `START TRANSACTION`.
    Begin,
    /// `COMMIT`, `END`.
    Commit,
    /// `ROLLBACK`, `ABORT` (not `ROLLBACK TO`).
    Rollback,
    /// `SAVEPOINT`, `RELEASE`, `ROLLBACK TO`.
    Savepoint,
    /// `CREATE EXTENSION`, `ALTER EXTENSION`, `DROP EXTENSION`, `COMMENT ON EXTENSION`.
    Extension,
    /// `COPY … FROM STDIN` with its data in the file.
    CopyIn,
    /// `CREATE DATABASE`, `DROP DATABASE`.
    Database,
    /// Refused inside a transaction block: `CREATE INDEX CONCURRENTLY`, `VACUUM`, `ALTER SYSTEM`, …
    NoTransaction,
    /// `SET`, `RESET` of a session setting.
    Set,
    /// `INSERT`, `UPDATE`, `DELETE`, `MERGE`, `TRUNCATE`, `SELECT`, `WITH`, `VALUES`, `TABLE`.
    Data,
    /// Anything else.
    Other,
}

/// Something that is no SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its bytes in the text.
    pub range: Range<usize>,
    /// What it is.
    pub kind: ProblemKind,
}

/// What a [`Problem`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProblemKind {
    /// A psql meta-command such as `\connect`; the word after the backslash.
    MetaCommand(String),
    /// A string, quoted identifier, dollar quote or comment that is never closed; its opener.
    Unterminated(String),
    /// A `COPY … FROM STDIN` whose data never ends with `\.`.
    CopyWithoutEnd,
    /// A NUL byte, which no query can hold; only the first of a text is reported.
    Nul,
}

/// Whether `text` holds anything but whitespace, comments and semicolons.
pub fn is_blank(text: &str) -> bool {
    use lexer::TokenKind;
    lexer::Lexer::new(text, 0).all(|t| t.kind.is_comment() || t.kind == TokenKind::Semicolon)
}

/// Whether two texts are the same to the server: they differ in comments and whitespace at most. Errs towards no.
pub fn same_statements(one: &str, other: &str) -> bool {
    let tokens = |text| {
        let tokens = lexer::Lexer::new(text, 0).filter(|token| !token.kind.is_comment());
        tokens.map(move |token| &text[token.start..token.end])
    };
    // The lines of a `COPY … FROM STDIN` are data, down to their blanks.
    let copies = |text: &str| text.to_ascii_lowercase().contains("from stdin");
    one == other || (!copies(one) && tokens(one).eq(tokens(other)))
}
