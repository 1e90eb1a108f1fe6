//! Places as editors count them: from 0, columns in UTF-16 units unless something else was agreed on, and a carriage
//! return ends a line too. migd's own count from 1, in characters, and only a line feed ends a line.

use gen_lsp_types::{Position, Range};

use crate::verdict::Span;

/// What a column counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf16,
    Utf32,
}

impl Encoding {
    /// The first that the client offers and that is known here; UTF-16, which every client must know, if it offers none.
    pub(super) fn agreed<'o>(offered: impl IntoIterator<Item = &'o str>) -> Encoding {
        let known = |name| match name {
            "utf-8" => Some(Encoding::Utf8),
            "utf-16" => Some(Encoding::Utf16),
            "utf-32" => Some(Encoding::Utf32),
            _ => None,
        };
        offered.into_iter().find_map(known).unwrap_or(Encoding::Utf16)
    }

    /// Its name in the protocol.
    pub(super) fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "utf-8",
            Encoding::Utf16 => "utf-16",
            Encoding::Utf32 => "utf-32",
        }
    }

    fn units(self, text: &str) -> u32 {
        let units = match self {
            Encoding::Utf8 => text.len(),
            Encoding::Utf16 => text.chars().map(char::len_utf16).sum(),
            Encoding::Utf32 => text.chars().count(),
        };
        u32::try_from(units).unwrap_or(u32::MAX)
    }
}

/// The byte at a line and a column of migd's; what lies behind a line or the text stands for its end.
pub(super) fn byte_of(text: &str, line: u32, column: u32) -> usize {
    let mut start = 0;
    for _ in 1..line {
        match text[start..].find('\n') {
            Some(end) => start += end + 1,
            None => return text.len(),
        }
    }
    let end = text[start..].find('\n').map_or(text.len(), |end| start + end);
    let at = text[start..end].char_indices().nth((column as usize).saturating_sub(1));
    at.map_or(end, |(at, _)| start + at)
}

/// A byte of `text` as an editor names it.
pub(super) fn position(text: &str, byte: usize, encoding: Encoding) -> Position {
    let before = &text[..byte.min(text.len())];
    let bytes = before.as_bytes();
    // Between a carriage return and its line feed the line has not ended yet.
    let ends = |at: &usize| bytes[*at] == b'\n' || (bytes[*at] == b'\r' && text.as_bytes().get(at + 1) != Some(&b'\n'));
    let mut line = 0;
    let mut start = 0;
    for end in (0..bytes.len()).filter(ends) {
        line += 1;
        start = end + 1;
    }
    Position { line, character: encoding.units(&before[start..]) }
}

/// A range of bytes of `text` as an editor names it.
pub(super) fn range(text: &str, bytes: std::ops::Range<usize>, encoding: Encoding) -> Range {
    Range { start: position(text, bytes.start, encoding), end: position(text, bytes.end.max(bytes.start), encoding) }
}

/// A span of `text` as an editor names it.
pub(super) fn span(text: &str, span: Span, encoding: Encoding) -> Range {
    let start = byte_of(text, span.line, span.column);
    range(text, start..byte_of(text, span.end_line, span.end_column), encoding)
}

/// The same where only the `source` lines of the span are known.
pub(super) fn span_of_source(source: &str, whole: Span, encoding: Encoding) -> Range {
    let above = whole.line.saturating_sub(1);
    let own = Span { line: 1, end_line: whole.end_line.saturating_sub(above), ..whole };
    let mut range = span(source, own, encoding);
    range.start.line += above;
    range.end.line += above;
    range
}

/// Whether two ranges have a place in common; touching is enough.
pub(super) fn overlap(one: Range, other: Range) -> bool {
    one.start <= other.end && other.start <= one.end
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "SELECT 'é€', '😀', wrong;\r\nSELECT 2;\n";

    fn of(word: &str, encoding: Encoding) -> (u32, u32) {
        let found = position(TEXT, TEXT.find(word).unwrap(), encoding);
        (found.line, found.character)
    }

    #[test]
    fn columns_count_what_was_agreed_on() {
        assert_eq!(of("wrong", Encoding::Utf32), (0, 18));
        assert_eq!(of("wrong", Encoding::Utf16), (0, 19));
        assert_eq!(of("wrong", Encoding::Utf8), (0, 24));
        assert_eq!(of("2", Encoding::Utf16), (1, 7));
    }

    #[test]
    fn a_span_of_characters_is_found_in_the_text_and_in_its_lines_alike() {
        let place = Span { line: 1, column: 19, end_line: 1, end_column: 24 };
        let wanted = Range { start: Position { line: 0, character: 19 }, end: Position { line: 0, character: 24 } };
        assert_eq!(span(TEXT, place, Encoding::Utf16), wanted);
        let below = Span { line: 8, end_line: 8, ..place };
        let there = span_of_source(TEXT.lines().next().unwrap(), below, Encoding::Utf16);
        assert_eq!((there.start.line, there.start.character, there.end.character), (7, 19, 24));
    }

    #[test]
    fn a_span_over_lines_ends_in_its_last_line() {
        let place = Span { line: 1, column: 1, end_line: 2, end_column: 9 };
        let end = Position { line: 1, character: 8 };
        assert_eq!(span(TEXT, place, Encoding::Utf16).end, end);
        assert_eq!(span_of_source(TEXT.trim_end(), place, Encoding::Utf16).end, end);
    }

    #[test]
    fn a_carriage_return_ends_a_line_for_editors_only() {
        let text = "a\rb\r\nc";
        assert_eq!(byte_of(text, 2, 1), 5);
        assert_eq!(position(text, 5, Encoding::Utf16), Position { line: 2, character: 0 });
        assert_eq!(position(text, 2, Encoding::Utf16), Position { line: 1, character: 0 });
    }

    #[test]
    fn what_lies_behind_the_text_stands_for_its_end() {
        assert_eq!(byte_of(TEXT, 99, 1), TEXT.len());
        assert_eq!(byte_of(TEXT, 2, 99), TEXT.len() - 1);
        assert_eq!(position(TEXT, 9999, Encoding::Utf16), Position { line: 2, character: 0 });
    }

    #[test]
    fn the_first_known_offer_is_taken() {
        assert_eq!(Encoding::agreed(["utf-7", "utf-32", "utf-8"]), Encoding::Utf32);
        assert_eq!(Encoding::agreed([]), Encoding::Utf16);
    }

    proptest::proptest! {
        #[test]
        fn every_place_has_a_position_in_its_text(text: String, line in 0u32..9, column in 0u32..99) {
            let byte = byte_of(&text, line, column);
            assert!(text.is_char_boundary(byte));
            for encoding in [Encoding::Utf8, Encoding::Utf16, Encoding::Utf32] {
                position(&text, byte, encoding);
            }
        }
    }
}
