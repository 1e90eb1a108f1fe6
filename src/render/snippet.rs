//! Source lines for a terminal: made safe, cut to the width around the place, with the place's bytes in what is left.

use std::ops::Range;

use super::Terminal;
use super::clean::cell;
use crate::verdict::Finding;

/// Lines of a long statement that are shown at its start; the library shows as many and folds the rest.
const HEAD: usize = 4;
/// Lines of a long statement that are shown at its end.
const TAIL: usize = 2;

/// Source text to show under a finding.
pub(super) struct Excerpt {
    /// The lines, safe and no wider than the terminal.
    pub text: String,
    /// The number of the first.
    pub first_line: usize,
    /// The place, in bytes of `text`.
    pub mark: Range<usize>,
}

impl Excerpt {
    /// The number of the last line.
    pub(super) fn last_line(&self) -> usize {
        self.first_line.saturating_add(self.text.matches('\n').count())
    }
}

/// The lines that `finding` points at; none when it has no place or no source.
pub(super) fn excerpt(finding: &Finding, terminal: &Terminal) -> Option<Excerpt> {
    let first_line = finding.line?.max(1);
    let source = finding.source.as_deref().filter(|source| !source.trim().is_empty())?;
    let end_line = finding.end_line.unwrap_or(first_line).max(first_line);
    let span = usize::try_from(end_line - first_line).unwrap_or(usize::MAX).saturating_add(1);
    let mut lines: Vec<&str> =
        source.split('\n').take(span).map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
    // A place may end with the line feed of its last line, and blank lines at the end tell nothing.
    while lines.len() > 1 && lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    let last = lines.len() - 1;
    let start = char_index(finding.column);
    // The end lies in the last line only if that line is there: source may have been cut by whoever made the finding.
    let end = match finding.end_column.filter(|_| lines.len() == span) {
        Some(column) => char_index(Some(column)),
        None => usize::MAX,
    };

    let number = (first_line as usize).saturating_add(last);
    let gutter = number.to_string().len() + 3 + if last > 0 { 2 } else { 0 };
    let room = terminal.columns().saturating_sub(gutter).max(8);

    let mut text = String::new();
    let mut mark = 0..0;
    for (n, line) in lines.iter().enumerate() {
        if n > 0 {
            text.push('\n');
        }
        // Folded away in any case; a statement may have a million lines.
        if n >= HEAD && n + TAIL < lines.len() {
            continue;
        }
        let from = if n == 0 { start } else { 0 };
        let to = if n == last { end.max(from + 1) } else { usize::MAX };
        let focus = if n == last && n > 0 { to.saturating_sub(1) } else { from };
        let cut = cut(line, focus, from..to, room, terminal);
        if n == 0 {
            mark.start = text.len() + cut.mark.start;
        }
        if n == last {
            mark.end = text.len() + cut.mark.end;
        }
        text.push_str(&cut.text);
    }
    mark.end = mark.end.max(mark.start);
    Some(Excerpt { text, first_line: first_line as usize, mark })
}

/// A column as a 0-based index of a character.
fn char_index(column: Option<u32>) -> usize {
    column.map_or(0, |column| column.saturating_sub(1) as usize)
}

struct Cut {
    text: String,
    mark: Range<usize>,
}

/// At most `room` columns of `line`, with the character `focus` among them, and where `mark` (characters) is in them.
fn cut(line: &str, focus: usize, mark: Range<usize>, room: usize, terminal: &Terminal) -> Cut {
    let mut scratch = String::new();
    let mut columns = 0;
    let mut focus_column = 0;
    for (n, c) in line.chars().enumerate() {
        if n <= focus {
            focus_column = columns;
        } else if columns > room {
            break;
        }
        scratch.clear();
        columns += cell(c, columns, terminal.unicode, &mut scratch);
    }
    let fits = columns <= room;
    // From the line's start wherever the place can be seen so; else with a third of the room before the place.
    let left = if fits || focus_column < room * 2 / 3 { 0 } else { focus_column - room / 3 };
    let dots = terminal.ellipsis();
    let dots_width = dots.chars().count();
    let right = if fits { usize::MAX } else { left + room - dots_width - if left > 0 { dots_width } else { 0 } };

    let mut text = String::new();
    if left > 0 {
        text.push_str(dots);
    }
    let (mut column, mut start, mut end) = (0, None, None);
    for (n, c) in line.chars().enumerate() {
        scratch.clear();
        let width = cell(c, column, terminal.unicode, &mut scratch);
        let before = column;
        column += width;
        if before < left {
            continue;
        }
        if column > right {
            text.push_str(dots);
            break;
        }
        if n >= mark.start {
            start.get_or_insert(text.len());
        }
        text.push_str(&scratch);
        if n < mark.end {
            end = Some(text.len());
        }
    }
    let start = start.unwrap_or(text.len());
    Cut { mark: start..end.unwrap_or(start).max(start), text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::verdict::{Severity, Span};

    fn marked(source: &str, column: u32, end_column: u32, width: u16) -> (String, String) {
        let span = Span { line: 1, column, end_line: 1, end_column };
        let finding = Finding::new("apply.error", Severity::Error, "m").at(span, source);
        let terminal = Terminal { width, unicode: true, ..Terminal::PLAIN };
        let excerpt = excerpt(&finding, &terminal).unwrap();
        (excerpt.text[excerpt.mark.clone()].to_owned(), excerpt.text)
    }

    #[test]
    fn the_mark_is_counted_in_characters() {
        assert_eq!(marked("表 表 select x", 5, 11, 80).0, "select");
        assert_eq!(marked("\t\tselect x", 3, 9, 80).0, "select");
    }

    #[test]
    fn a_long_line_is_cut_around_the_mark() {
        let source = format!("{} here {}", "a".repeat(500), "b".repeat(500));
        let (mark, text) = marked(&source, 502, 506, 40);
        assert_eq!(mark, "here");
        assert!(text.starts_with('…') && text.ends_with('…'), "{text}");
        assert!(text.chars().count() <= 36, "{text}");
    }

    #[test]
    fn a_place_beyond_its_source_ends_with_the_source() {
        assert_eq!(marked("short", 40, 90, 80), (String::new(), "short".to_owned()));
    }

    proptest! {
        #[test]
        fn no_place_and_no_text_is_too_odd(
            source in "[a-z\\t\u{1b}\u{202e}表👍é \\n]{0,200}", line in 0u32..5, column in 0u32..300,
            lines in 0u32..20, end_column in 0u32..300, width in 0u16..120, unicode: bool,
        ) {
            let span = Span { line, column, end_line: line + lines, end_column };
            let finding = Finding::new("apply.error", Severity::Error, "m").at(span, source);
            let terminal = Terminal { width, unicode, ..Terminal::PLAIN };
            if let Some(excerpt) = excerpt(&finding, &terminal) {
                prop_assert!(excerpt.text.get(excerpt.mark.clone()).is_some());
                let clean = !excerpt.text.contains(['\u{1b}', '\u{202e}', '\t']);
                prop_assert!(clean);
            }
        }
    }
}
