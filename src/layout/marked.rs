//! What the layouts share that cut a file line by line, by markers of their own (goose, sql-migrate, dbmate).

use std::ops::Range;
use std::sync::Arc;

use super::{Mode, Source};
use crate::sql::is_blank;

/// Why a runner refuses a file: the line's bytes, and the reason in words.
pub(super) type Refusal = (Range<usize>, String);

/// The lines of `text` with their bytes, without line ends.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let mut start = 0;
    text.split_inclusive('\n').map(move |line| {
        let from = start;
        start += line.len();
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        (from..from + line.len(), line)
    })
}

/// Whether the last word of `line` before a `--` ends in a semicolon: what goose and sql-migrate take for a statement's end.
pub(super) fn ends_with_semicolon(line: &str) -> bool {
    line.split_whitespace().take_while(|word| !word.starts_with("--")).last().is_some_and(|word| word.ends_with(';'))
}

/// One direction that the runner sends in these pieces.
pub(super) fn source(path: &str, text: &Arc<str>, pieces: Vec<Range<usize>>, mode: Mode) -> Source {
    let pieces: Vec<Range<usize>> =
        pieces.into_iter().map(|p| trim(text, p)).filter(|p| !is_blank(&text[p.clone()])).collect();
    // A revert may send them backwards.
    let start = pieces.iter().map(|piece| piece.start).min().unwrap_or(0);
    let body = start..pieces.iter().map(|piece| piece.end).max().unwrap_or(0);
    Source { path: path.to_owned(), text: text.clone(), body, mode, pieces: Some(pieces), inserts: None }
}

fn trim(text: &str, range: Range<usize>) -> Range<usize> {
    let piece = &text[range.clone()];
    let start = range.start + (piece.len() - piece.trim_start().len());
    start..start + piece.trim().len()
}
