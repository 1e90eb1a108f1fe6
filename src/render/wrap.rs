//! Lines that fit the terminal. Broken where it does no harm: between words, between the parts of a line, and in SQL between
//! tokens, so that what is copied is the same statement.

use textwrap::core::display_width;

/// A title whose first line starts behind `taken` columns; further lines are indented.
pub(super) fn title(text: &str, taken: usize, columns: usize) -> Vec<String> {
    let first = " ".repeat(taken.min(columns / 2));
    let options = textwrap::Options::new(columns).initial_indent(&first).subsequent_indent("  ");
    let options = options.break_words(false).word_splitter(textwrap::WordSplitter::NoHyphenation);
    let mut lines: Vec<String> = textwrap::wrap(text, options).into_iter().map(|line| line.into_owned()).collect();
    if let Some(line) = lines.first_mut() {
        *line = line.trim_start().to_owned();
    }
    lines
}

/// Stands for a space at which no line ends. No text has it.
const HELD: char = '\u{e000}';

/// A line of text, broken between its words. Code, which stands between backticks, is there to be copied: it stays whole.
pub(super) fn words(line: &str, options: textwrap::Options<'_>) -> Vec<String> {
    let open = line.matches('`').count() % 2 == 1;
    let mut code = false;
    let held: String = line
        .chars()
        .map(|c| {
            code ^= !open && c == '`';
            if code && c == ' ' { HELD } else { c }
        })
        .collect();
    textwrap::wrap(&held, options).into_iter().map(|piece| piece.replace(HELD, " ")).collect()
}

/// A line of parts with `dot` between them.
pub(super) fn parts(line: &str, dot: &str, columns: usize) -> String {
    fill(line.split(dot), dot, "  ", columns)
}

/// A statement, broken between its tokens. One that brings its own lines, or may hold a text in dollar signs, one with escapes or
/// a comment, is left as it is.
pub(super) fn sql(statement: &str, columns: usize) -> String {
    if statement.contains(['\n', '$', '\\']) || statement.contains("--") {
        return statement.to_owned();
    }
    let mut quote = None;
    let mut tokens = vec![String::new()];
    for c in statement.chars() {
        match (quote, c) {
            (None, ' ') => tokens.push(String::new()),
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
        if let Some(token) = tokens.last_mut().filter(|_| quote.is_some() || c != ' ') {
            token.push(c);
        }
    }
    fill(tokens.iter().map(String::as_str), " ", "    ", columns)
}

/// As many of `parts` in a line as it takes, the other lines indented.
fn fill<'p>(parts: impl Iterator<Item = &'p str>, between: &str, indent: &str, columns: usize) -> String {
    let mut lines = vec![String::new()];
    for (at, part) in parts.enumerate() {
        let Some(line) = lines.last_mut() else { break };
        let fits = display_width(line) + display_width(between) + display_width(part) <= columns;
        match at {
            0 => line.push_str(part),
            _ if fits => line.extend([between, part]),
            _ => {
                line.push_str(between.trim_end());
                lines.push(format!("{indent}{part}"));
            }
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::{parts, sql, title, words};

    #[test]
    fn a_statement_is_broken_between_its_tokens_and_never_in_a_text() {
        let statement = "INSERT INTO \"my table\" (id, note) VALUES (1, 'one  two, three'), (2, 'it''s me')";
        let broken = sql(statement, 24);
        assert_eq!(broken.split("\n    ").collect::<Vec<_>>().join(" "), statement);
        assert!(broken.contains("'one  two, three'),\n"), "{broken}");
        assert_eq!(sql("SELECT $$a b$$, 1, 2, 3, 4, 5", 10), "SELECT $$a b$$, 1, 2, 3, 4, 5");
        for whole in [r"SELECT E'it\'s; a text', 1, 2, 3", "SELECT 1, 2, 3 -- and no more"] {
            assert_eq!(sql(whole, 10), whole);
        }
    }

    #[test]
    fn a_line_of_parts_is_broken_between_them() {
        let line = "migd: fail | 1 error, 2 notes | 3 migrations | PostgreSQL 17.5";
        assert_eq!(parts(line, " | ", 32), "migd: fail | 1 error, 2 notes |\n  3 migrations | PostgreSQL 17.5");
        assert_eq!(parts(line, " | ", 80), line);
        assert_eq!(parts("\x1b[1mfail\x1b[0m | 2", " | ", 8), "\x1b[1mfail\x1b[0m | 2", "colours take no room");
    }

    #[test]
    fn code_is_not_broken() {
        let options = || textwrap::Options::new(20).break_words(false);
        let line = "if there are none: `-- migd: assume a.b(c) -- why`, or not";
        assert_eq!(words(line, options()), ["if there are none:", "`-- migd: assume a.b(c) -- why`,", "or not"]);
        assert_eq!(words("one backtick ` and then more words", options()), ["one backtick ` and", "then more words"]);
    }

    #[test]
    fn a_title_goes_on_in_indented_lines() {
        assert_eq!(title("down does not bring the rows back", 12, 30), ["down does not", "  bring the rows back"]);
        assert_eq!(title("down fails", 12, 30), ["down fails"]);
    }
}
