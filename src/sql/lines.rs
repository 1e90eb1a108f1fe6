//! Places: from byte offsets to lines and columns, and from the server's error positions to spans.

use std::ops::Range;

use super::lexer::Lexer;
use crate::verdict::Span;

/// How many bytes lie between two counted places of a text with characters longer than a byte.
const STRIDE: usize = 1024;

/// Finds lines and columns in a text. Every question is answered in time that depends on neither the text nor its lines.
#[derive(Debug, Clone)]
pub struct LineIndex<'t> {
    text: &'t str,
    /// Where each line starts.
    lines: Vec<usize>,
    /// How many characters start before each multiple of [`STRIDE`]; empty where every character is one byte.
    characters: Vec<usize>,
}

impl<'t> LineIndex<'t> {
    /// Reads `text` once.
    pub fn new(text: &'t str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let characters = if text.is_ascii() {
            Vec::new()
        } else {
            let mut sum = 0;
            let chunks = text.as_bytes().chunks(STRIDE);
            std::iter::once(0)
                .chain(chunks.map(|chunk| {
                    sum += chunk.iter().filter(|&&b| starts_character(b)).count();
                    sum
                }))
                .collect()
        };
        LineIndex { text, lines, characters }
    }

    /// Line and column of a byte, both from 1; a byte behind the text stands for its end.
    pub fn position(&self, offset: usize) -> (u32, u32) {
        let offset = offset.min(self.text.len());
        let line = self.lines.partition_point(|&start| start <= offset) - 1;
        let column = self.characters_before(offset) - self.characters_before(self.lines[line]);
        (small(line + 1), small(column + 1))
    }

    /// Both ends of a range of bytes.
    pub fn span(&self, range: Range<usize>) -> Span {
        let (line, column) = self.position(range.start);
        let (end_line, end_column) = self.position(range.end.max(range.start));
        Span { line, column, end_line, end_column }
    }

    /// The place of a server's error position: the token at the 1-based character `position` of the statement that has
    /// the bytes `statement`. A position behind the statement stands for its end.
    pub fn span_of_position(&self, statement: Range<usize>, position: u32) -> Span {
        let end = statement.end.min(self.text.len());
        let start = statement.start.min(end);
        let Some(sql) = self.text.get(start..end) else { return self.span(start..end) };
        let at = sql.char_indices().nth((position as usize).saturating_sub(1)).map_or(end, |(at, _)| start + at);
        let token = Lexer::new(&self.text[..end], at).next().filter(|t| t.start == at);
        match token {
            // A string over many lines helps nobody: its first line does.
            Some(t) => {
                let first = self.text[t.start..t.end].lines().next().map_or(0, str::len);
                self.span(t.start..t.start + first.max(1))
            }
            None => self.span(at..at),
        }
    }

    /// The source lines that a span covers, without the last line break.
    pub fn lines(&self, span: Span) -> &'t str {
        let start = self.lines.get((span.line as usize).saturating_sub(1)).copied().unwrap_or(self.text.len());
        let end = self.lines.get(span.end_line as usize).copied().unwrap_or(self.text.len());
        self.text.get(start..end.max(start)).unwrap_or("").trim_end_matches(['\n', '\r'])
    }

    fn characters_before(&self, offset: usize) -> usize {
        if self.characters.is_empty() {
            return offset;
        }
        let block = offset / STRIDE;
        let rest = &self.text.as_bytes()[block * STRIDE..offset];
        self.characters[block] + rest.iter().filter(|&&b| starts_character(b)).count()
    }
}

fn starts_character(byte: u8) -> bool {
    byte & 0xc0 != 0x80
}

fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn span(line: u32, column: u32, end_line: u32, end_column: u32) -> Span {
        Span { line, column, end_line, end_column }
    }

    #[test]
    fn lines_and_columns_count_from_one_and_columns_count_characters() {
        let text = "SELECT 'é';\r\nSELECT 2;\n";
        let index = LineIndex::new(text);
        assert_eq!(index.position(0), (1, 1));
        assert_eq!(index.position(text.find(';').unwrap()), (1, 11));
        assert_eq!(index.position(text.rfind('2').unwrap()), (2, 8));
        assert_eq!(index.position(text.len()), (3, 1));
        assert_eq!(index.position(9999), (3, 1));
    }

    #[test]
    fn columns_of_very_long_lines_agree_with_counting() {
        let text = "é€a".repeat(3000);
        let index = LineIndex::new(&text);
        for (count, (at, _)) in text.char_indices().enumerate().step_by(97) {
            assert_eq!(index.position(at), (1, count as u32 + 1));
        }
    }

    #[test]
    fn a_server_position_names_the_token_at_that_character() {
        let text = "-- é\nSELECT 'é', wrong FROM t;\n";
        let index = LineIndex::new(text);
        let statement = text.find("SELECT").unwrap()..text.find(';').unwrap();
        // `wrong` is the 13th character of the statement, whatever stands before the statement.
        assert_eq!(index.span_of_position(statement.clone(), 13), span(2, 13, 2, 18));
        assert_eq!(index.span_of_position(statement.clone(), 1), span(2, 1, 2, 7));
        // "syntax error at end of input" points behind the last character.
        let end = index.span_of_position(statement, 500);
        assert_eq!(end, span(2, 25, 2, 25));
        assert_eq!(index.lines(end), "SELECT 'é', wrong FROM t;");
    }

    #[test]
    fn the_lines_of_a_span_are_whole_lines() {
        let text = "a\r\nbb\r\nccc\r\n";
        let index = LineIndex::new(text);
        assert_eq!(index.lines(index.span(0..1)), "a");
        assert_eq!(index.lines(index.span(4..9)), "bb\r\nccc");
        assert_eq!(index.lines(index.span(12..12)), "");
    }
}
