//! PostgreSQL's lexical rules (`scan.l`), as far as finding the end of a token needs them. Linear, without recursion.
//!
//! Every byte above 127 belongs to identifiers, as in the server, so that every token ends on a character boundary.

/// One token, by its bytes in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The length of the opener of a string, quoted identifier or comment that the text ends in.
    pub(crate) unterminated: Option<usize>,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A keyword or unquoted identifier.
    Word,
    /// A quoted identifier.
    Quoted,
    /// A string of any kind.
    Literal,
    /// Digits, with dots.
    Number,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `;`
    Semicolon,
    /// `-- …`
    LineComment,
    /// `/* … */`
    BlockComment,
    /// A backslash outside of every string, with the rest of its line.
    Backslash,
    /// Any other single character.
    Other(u8),
}

impl TokenKind {
    /// Whether the token is one that the server's grammar never sees.
    pub(crate) fn is_comment(self) -> bool {
        matches!(self, TokenKind::LineComment | TokenKind::BlockComment)
    }
}

/// Reads tokens; whitespace is skipped, comments are not.
#[derive(Debug, Clone)]
pub(crate) struct Lexer<'t> {
    text: &'t str,
    pos: usize,
}

impl<'t> Lexer<'t> {
    /// Reads `text` from the byte `start`, which must be a character boundary.
    pub(crate) fn new(text: &'t str, start: usize) -> Self {
        Lexer { text, pos: start }
    }

    /// The byte after the last token.
    pub(crate) fn pos(&self) -> usize {
        self.pos
    }

    /// Goes on at the byte `pos`, which must be a character boundary.
    pub(crate) fn seek(&mut self, pos: usize) {
        self.pos = pos;
    }

    fn at(&self, pos: usize) -> u8 {
        self.text.as_bytes().get(pos).copied().unwrap_or(0)
    }

    /// The first byte at or after `pos` for which `stop` holds, else the end.
    fn until(&self, pos: usize, stop: impl Fn(u8) -> bool) -> usize {
        let bytes = self.text.as_bytes();
        bytes[pos..].iter().position(|&b| stop(b)).map_or(bytes.len(), |n| pos + n)
    }

    /// The end of a token quoted by `quote` whose content starts at `pos`; none when it is never closed.
    fn quoted(&self, mut pos: usize, quote: u8, backslash: bool) -> Option<usize> {
        let len = self.text.len();
        loop {
            pos = self.until(pos, |b| b == quote || (backslash && b == b'\\'));
            if pos >= len {
                return None;
            }
            if self.at(pos) == b'\\' {
                // What follows is never a quote that closes; a part of a longer character is none either.
                pos = (pos + 2).min(len);
            } else if pos + 1 < len && self.at(pos + 1) == quote {
                pos += 2;
            } else {
                return Some(pos + 1);
            }
        }
    }

    /// `E''` strings: a string continued on a further line keeps its rules.
    fn escaped(&self, mut pos: usize) -> Option<usize> {
        loop {
            let end = self.quoted(pos, b'\'', true)?;
            match self.continuation(end) {
                Some(next) => pos = next,
                None => return Some(end),
            }
        }
    }

    /// The content's start of a string that continues the one that ended at `pos`: whitespace with a line break between.
    fn continuation(&self, mut pos: usize) -> Option<usize> {
        let mut newline = false;
        loop {
            match self.at(pos) {
                b'\n' | b'\r' => newline = true,
                b' ' | b'\t' | 0x0b | 0x0c => {}
                b'-' if self.at(pos + 1) == b'-' => {
                    pos = self.until(pos, is_newline);
                    continue;
                }
                b'\'' if newline => return Some(pos + 1),
                _ => return None,
            }
            pos += 1;
        }
    }

    /// The end of a nested comment whose opener ends at `pos`.
    fn block_comment(&self, mut pos: usize) -> Option<usize> {
        let mut depth = 1usize;
        loop {
            pos = self.until(pos, |b| b == b'*' || b == b'/');
            if pos >= self.text.len() {
                return None;
            }
            match (self.at(pos), self.at(pos + 1)) {
                (b'/', b'*') => {
                    depth += 1;
                    pos += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    pos += 2;
                    if depth == 0 {
                        return Some(pos);
                    }
                }
                _ => pos += 1,
            }
        }
    }

    /// The length of the dollar quote's delimiter at `pos`, if there is one.
    fn dollar_delimiter(&self, pos: usize) -> Option<usize> {
        let first = self.at(pos + 1);
        if first == b'$' {
            return Some(2);
        }
        if !is_word_start(first) {
            return None;
        }
        let end = self.until(pos + 1, |b| !is_word(b) || b == b'$');
        (self.at(end) == b'$').then_some(end + 1 - pos)
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let start = self.until(self.pos, |b| !is_space(b));
        let len = self.text.len();
        if start >= len {
            self.pos = len;
            return None;
        }
        let byte = self.at(start);
        let next = self.at(start + 1);
        // (kind, length of the opener, end if it is closed)
        let (kind, opener, end) = match byte {
            b'-' if next == b'-' => (TokenKind::LineComment, 2, Some(self.until(start, is_newline))),
            b'/' if next == b'*' => (TokenKind::BlockComment, 2, self.block_comment(start + 2)),
            b'\'' => (TokenKind::Literal, 1, self.quoted(start + 1, b'\'', false)),
            b'"' => (TokenKind::Quoted, 1, self.quoted(start + 1, b'"', false)),
            b'e' | b'E' if next == b'\'' => (TokenKind::Literal, 2, self.escaped(start + 2)),
            b'b' | b'B' | b'x' | b'X' | b'n' | b'N' if next == b'\'' => {
                (TokenKind::Literal, 2, self.quoted(start + 2, b'\'', false))
            }
            b'u' | b'U' if next == b'&' && self.at(start + 2) == b'\'' => {
                (TokenKind::Literal, 3, self.quoted(start + 3, b'\'', false))
            }
            b'u' | b'U' if next == b'&' && self.at(start + 2) == b'"' => {
                (TokenKind::Quoted, 3, self.quoted(start + 3, b'"', false))
            }
            b'$' => match self.dollar_delimiter(start) {
                Some(n) => {
                    let body = start + n;
                    let close = self.text[body..].find(&self.text[start..body]).map(|at| body + at + n);
                    (TokenKind::Literal, n, close)
                }
                None => (TokenKind::Other(byte), 1, Some(start + 1)),
            },
            b'0'..=b'9' => (TokenKind::Number, 0, Some(self.until(start, |b| !(b.is_ascii_digit() || b == b'.')))),
            _ if is_word_start(byte) => (TokenKind::Word, 0, Some(self.until(start, |b| !is_word(b)))),
            b'(' => (TokenKind::Open, 1, Some(start + 1)),
            b')' => (TokenKind::Close, 1, Some(start + 1)),
            b';' => (TokenKind::Semicolon, 1, Some(start + 1)),
            b'\\' => (TokenKind::Backslash, 1, Some(self.until(start, is_newline))),
            _ => (TokenKind::Other(byte), 1, Some(start + 1)),
        };
        self.pos = end.unwrap_or(len);
        let unterminated = end.is_none().then_some(opener);
        Some(Token { kind, start, end: self.pos, unterminated })
    }
}

pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_word(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit() || byte == b'$'
}
