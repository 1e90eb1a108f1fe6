//! What `migd watch` shows on a terminal: the present state of every set, and below it, in one line, what is being judged and
//! for how long. Drawn anew when something changes or the window does; in between, only the last line moves.
//!
//! No mode of the terminal is changed beyond one drawing, so that it is as it was however this ends.

use std::io::{self, Write};
use std::time::Instant;

use unicode_width::UnicodeWidthChar;

use crate::render;
use crate::wire::Terminal;

/// Has a terminal show a drawing when it is whole; one that does not know this ignores it.
const BEGIN: &str = "\x1b[?2026h";
const END: &str = "\x1b[?2026l";
/// The top left, and nothing behind it.
const CLEAR: &str = "\x1b[H\x1b[2J";
/// The start of the line, and nothing behind it.
const CLEAR_LINE: &str = "\r\x1b[K";

/// How many lines, at most, say what it comes to.
const CLOSING: usize = 6;

/// What stands in the last line.
#[derive(Debug, Clone)]
pub(super) enum Foot {
    /// Nothing is being judged: where one is, or why nothing comes.
    Rest(String),
    /// This is being judged, since then.
    Busy { what: String, since: Instant },
}

/// The drawing.
pub(super) struct Screen {
    text: String,
    foot: Foot,
    turn: usize,
}

impl Screen {
    pub(super) fn new(foot: &str) -> Screen {
        Screen { text: String::new(), foot: Foot::Rest(foot.to_owned()), turn: 0 }
    }

    /// What stands above the last line.
    pub(super) fn show(&mut self, text: String) {
        self.text = text;
        self.draw();
    }

    /// What stands in the last line.
    pub(super) fn foot(&mut self, foot: Foot) {
        self.foot = foot;
        self.draw_foot();
    }

    /// Moves what moves.
    pub(super) fn tick(&mut self) {
        if matches!(self.foot, Foot::Busy { .. }) {
            self.turn += 1;
            self.draw_foot();
        }
    }

    /// Draws everything, as large as the window is now.
    pub(super) fn draw(&self) {
        let terminal = Terminal::of(&io::stdout());
        let rows = rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_row));
        let body = fit(&self.text, terminal.columns(), rows.saturating_sub(1), terminal.ellipsis());
        write(&format!("{BEGIN}{CLEAR}{body}{}{END}", self.last(&terminal)));
    }

    fn draw_foot(&self) {
        write(&format!("{CLEAR_LINE}{}", self.last(&Terminal::of(&io::stdout()))));
    }

    fn last(&self, terminal: &Terminal) -> String {
        let text = match &self.foot {
            Foot::Rest(text) => text.clone(),
            Foot::Busy { what, since } => {
                let turns = if terminal.unicode { "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏" } else { "|/-\\" };
                let sign = turns.chars().cycle().nth(self.turn).unwrap_or(' ');
                format!("{sign} {:.1} s{}{what}", since.elapsed().as_secs_f64(), terminal.dot())
            }
        };
        cut(&render::line(&text, terminal.unicode), terminal.columns() - 1, terminal.ellipsis())
    }
}

/// Writes to standard output at once; ends well when nobody reads it any more.
pub(super) fn write(text: &str) {
    let mut out = io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// A line that is a sentence (a title, what it comes to) folded at words where it is too wide. What is indented stays as it is:
/// it is folded already, or there to be copied.
fn folded(line: &str, columns: usize) -> String {
    let options = textwrap::Options::new(columns).word_splitter(textwrap::WordSplitter::NoHyphenation);
    match width(line) > columns && !visible(line).is_some_and(char::is_whitespace) {
        true => textwrap::fill(line, &options),
        false => line.to_owned(),
    }
}

/// The first character of a line that takes a column.
fn visible(line: &str) -> Option<char> {
    let mut rest = line;
    while let Some((_, behind)) = rest.strip_prefix('\x1b').and_then(|code| code.split_once('m')) {
        rest = behind;
    }
    rest.chars().next()
}

/// As much of `text` as `rows` rows of a window have room for: its start, and from the line on that says what it comes to.
/// No rows: all of it.
fn fit(text: &str, columns: usize, rows: usize, ellipsis: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| folded(line, columns)).collect();
    let height = |line: &String| line.split('\n').map(|row| width(row).div_ceil(columns).max(1)).sum::<usize>();
    if rows == 0 || lines.iter().map(height).sum::<usize>() <= rows {
        return lines.iter().map(|line| format!("{line}\n")).collect();
    }
    let closing = lines.iter().rposition(|line| line.starts_with("migd:")).unwrap_or(lines.len());
    let (start, end) = lines.split_at(closing.max(lines.len().saturating_sub(CLOSING)));
    let mut left = rows.saturating_sub(end.iter().map(height).sum::<usize>() + 1);
    let shown = start.iter().take_while(|line| match left.checked_sub(height(line)) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    });
    let mut fitting: Vec<&String> = shown.collect();
    let more = format!("{ellipsis} {} more lines: migd check --worktree", start.len() - fitting.len());
    let more = cut(&more, columns, ellipsis);
    // What a line that is left out would have put an end to.
    let more = if text.contains('\x1b') { format!("\x1b[0m{more}") } else { more };
    fitting.push(&more);
    fitting.into_iter().chain(end).map(|line| format!("{line}\n")).collect()
}

/// Columns that a line takes; colours take none.
fn width(line: &str) -> usize {
    let mut columns = 0;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\x1b' => drop(characters.find(char::is_ascii_alphabetic)),
            other => columns += other.width().unwrap_or(0),
        }
    }
    columns
}

/// `text`, which has no colours, in so many columns.
fn cut(text: &str, columns: usize, ellipsis: &str) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut left = columns.saturating_sub(width(ellipsis));
    let fits = |character: &char| match left.checked_sub(character.width().unwrap_or(0)) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    let start: String = text.chars().take_while(fits).collect();
    start + ellipsis
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_shown_as_it_is() {
        assert_eq!(fit("a\nb\nc\n", 80, 3, "…"), "a\nb\nc\n");
        assert_eq!(fit("a\nb\nc\n", 80, 0, "…"), "a\nb\nc\n");
    }

    #[test]
    fn of_what_does_not_fit_the_start_and_the_verdict_are_shown() {
        let text = "1\n2\n3\n4\nmigd: fail\nmore\n";
        assert_eq!(fit(text, 80, 4, "…"), "1\n… 3 more lines: migd check --worktree\nmigd: fail\nmore\n");
    }

    #[test]
    fn a_line_that_is_wider_than_the_window_counts_for_more_rows() {
        let long = "x".repeat(25);
        let shown = fit(&format!("1\n{long}\n3\nmigd: a\n"), 10, 4, "…");
        assert_eq!(shown, "1\n… 2 more …\nmigd: a\n");
    }

    #[test]
    fn colours_take_no_columns_and_do_not_leak() {
        assert_eq!(width("\x1b[1m\x1b[91merror\x1b[0m"), 5);
        assert!(fit("\x1b[1m1\n2\n3\nmigd: a\n", 80, 3, "…").contains("\n\x1b[0m… 2 more lines"));
    }

    #[test]
    fn sentences_are_folded_at_words_and_nothing_else_is() {
        let text = "error[a]: one two three\n\n  = INSERT INTO one two three\n";
        assert_eq!(fit(text, 16, 0, "…"), "error[a]: one\ntwo three\n\n  = INSERT INTO one two three\n");
        assert_eq!(fit(text, 80, 3, "…"), text);
        let colored = "\x1b[1m\x1b[91merror[a]\x1b[0m: one two three\n\x1b[94m  = \x1b[0mINSERT INTO one\n";
        let shown = fit(colored, 16, 0, "…");
        let lines: Vec<usize> = shown.lines().map(width).collect();
        assert_eq!(lines, [13, 9, 19], "{shown:?}");
        assert_eq!(folded("migd: aaaaaaaaaaaaaaa", 10), "migd:\naaaaaaaaaa\naaaaa");
    }

    #[test]
    fn a_verdict_that_is_folded_is_shown_from_its_start() {
        let text = "1\n2\n3\nmigd: one two three four five six\nfor more\n";
        let shown = fit(text, 10, 7, "…");
        assert_eq!(shown, "1\n… 2 more …\nmigd: one\ntwo three\nfour five\nsix\nfor more\n");
    }

    #[test]
    fn wide_characters_are_not_cut_in_half() {
        assert_eq!(cut("日本語", 6, "…"), "日本語");
        assert_eq!(cut("日本語", 5, "…"), "日本…");
        assert_eq!(cut("日本語", 4, "…"), "日…");
    }
}
