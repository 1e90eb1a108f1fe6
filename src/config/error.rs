//! Why a configuration cannot be used: the file, the place, the key, and what it should have been.

use std::ops::Range;

use crate::sql::LineIndex;
use crate::verdict::Span;

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The file, or the environment variable.
    origin: String,
    message: String,
    help: String,
    place: Option<(Span, String)>,
}

impl Error {
    /// What is wrong in the whole of `origin`.
    pub(super) fn new(origin: &str, message: impl Into<String>, help: impl Into<String>) -> Error {
        Error { origin: origin.to_owned(), message: message.into(), help: help.into(), place: None }
    }

    /// Names the bytes of the origin's text.
    pub(super) fn at(mut self, text: &str, bytes: Range<usize>) -> Error {
        let lines = LineIndex::new(text);
        let start = floor(text, bytes.start.min(text.len()));
        // What goes on over several lines (a table) is shown by its first.
        let end = floor(text, bytes.end.clamp(start, text.len()));
        let first = text[start..end].lines().next().map_or(0, str::len);
        let span = lines.span(start..start + first);
        self.place = Some((span, lines.lines(span).to_owned()));
        self
    }

    /// The finding code that names it.
    pub fn code(&self) -> &'static str {
        "config.invalid"
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        self.help.clone()
    }

    /// The file, the place in it, and the line there.
    pub fn place(&self) -> Option<(String, Span, String)> {
        let (span, source) = self.place.as_ref()?;
        Some((self.origin.clone(), *span, source.clone()))
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:", self.origin)?;
        if let Some((span, _)) = &self.place {
            write!(f, "{}:{}:", span.line, span.column)?;
        }
        write!(f, " {}", self.message)
    }
}

impl std::error::Error for Error {}

/// The start of the character that the byte belongs to.
fn floor(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
