//! Foreign text made safe for a terminal: control characters, bidirectional overrides and what cannot be seen are shown
//! as something that can, so that no migration moves the cursor, sets a colour or hides a word.

use unicode_width::UnicodeWidthChar;

/// Where a tab goes: the next multiple of this column.
const TAB: usize = 4;

/// One character as it is shown at `column` (0-based): what is written, and how many columns it takes.
///
/// A line feed is shown like any other control character: callers split lines before.
pub(super) fn cell(c: char, column: usize, unicode: bool, out: &mut String) -> usize {
    match c {
        '\t' => {
            let width = TAB - column % TAB;
            out.extend(std::iter::repeat_n(' ', width));
            width
        }
        '\0'..='\x1f' | '\x7f' => control(c, unicode, out),
        // Whether an emoji is two columns wide hangs on this one; without it terminals agree with the table.
        '\u{fe00}'..='\u{fe0f}' => 0,
        c if is_hidden(c) => {
            out.push(if unicode { char::REPLACEMENT_CHARACTER } else { '?' });
            1
        }
        c => {
            out.push(c);
            c.width().unwrap_or(1)
        }
    }
}

/// C0 and delete: the Unicode pictures of them, or `^[` as terminals echo them.
fn control(c: char, unicode: bool, out: &mut String) -> usize {
    let code = c as u32;
    let picture = if code == 0x7f { 0x2421 } else { 0x2400 + code };
    match char::from_u32(picture).filter(|_| unicode) {
        Some(picture) => {
            out.push(picture);
            1
        }
        None => {
            out.push('^');
            out.push(char::from_u32(code ^ 0x40).unwrap_or('?'));
            2
        }
    }
}

/// C1 controls, direction marks and overrides, line and paragraph separators, joiners, fillers and tags: what changes
/// how the text around it is shown and takes no room itself.
pub(super) fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Foreign text as one line: line breaks and tabs become spaces.
pub fn line(text: &str, unicode: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    for c in text.trim().chars() {
        match c {
            '\n' | '\t' if out.ends_with(' ') => {}
            '\n' | '\t' => column += cell(' ', column, unicode, &mut out),
            '\r' => {}
            c => column += cell(c, column, unicode, &mut out),
        }
    }
    out
}

/// Foreign text of several lines: every line cleaned, tabs expanded, blank ends cut.
pub fn block(text: &str, unicode: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for (n, line) in text.trim_matches(['\n', '\r']).split('\n').enumerate() {
        if n > 0 {
            out.push('\n');
        }
        let mut column = 0;
        for c in line.strip_suffix('\r').unwrap_or(line).trim_end().chars() {
            column += cell(c, column, unicode, &mut out);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_lose_their_escape() {
        assert_eq!(line("a\x1b[31mred\x07", true), "a␛[31mred␇");
        assert_eq!(line("a\x1b[31mred\x07", false), "a^[[31mred^G");
        assert_eq!(line("\u{9b}31m", true), "\u{fffd}31m");
    }

    #[test]
    fn direction_overrides_and_invisible_characters_are_shown() {
        assert_eq!(line("a\u{202e}b\u{200b}c\u{feff}d", true), "a\u{fffd}b\u{fffd}c\u{fffd}d");
        assert_eq!(line("a\u{202e}b", false), "a?b");
    }

    #[test]
    fn letters_of_every_script_stay() {
        assert_eq!(line("Größe 表 👍", false), "Größe 表 👍");
    }

    #[test]
    fn a_block_keeps_its_lines_and_aligns_tabs() {
        assert_eq!(block("\na\tb\r\n\tc  \n\n", true), "a   b\n    c");
    }
}
