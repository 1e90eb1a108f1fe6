//! The splitter: from tokens to statements.

use std::ops::Range;

use super::kind::classify;
use super::lexer::{Lexer, Token, TokenKind, is_space};
use super::{Kind, Problem, ProblemKind, Script, Statement};

/// Cuts `text` into statements.
pub fn split(text: &str) -> Script {
    split_range(text, 0..text.len())
}

/// Cuts a part of `text`; the places in the result are counted in the whole text. A range that does not fit the text is
/// shortened to what does.
pub fn split_range(text: &str, range: Range<usize>) -> Script {
    let mut end = range.end.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut start = range.start.min(end);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let text = &text[..end];
    let mut splitter = Splitter { text, lexer: Lexer::new(text, start), script: Script::default(), open: None };
    splitter.run();
    // The server takes a NUL for the end of the query, drivers refuse it: the first one is enough to say so.
    if let Some(at) = text.as_bytes()[start..].iter().position(|&b| b == 0) {
        let at = start + at;
        splitter.script.problems.push(Problem { range: at..at + 1, kind: ProblemKind::Nul });
        splitter.script.problems.sort_by_key(|p| p.range.start);
    }
    splitter.script
}

/// What the words at a statement's start allow in the rest of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lead {
    Start,
    Create,
    /// `CREATE RULE`: semicolons inside of parentheses.
    Rule,
    /// `CREATE FUNCTION`, `CREATE PROCEDURE`: a `BEGIN ATOMIC` body.
    Routine,
    Other,
}

/// What the previous token was, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Previous {
    Begin,
    /// What follows is a name, whatever it looks like.
    NameFollows,
    Other,
}

/// The statement being read.
struct Open {
    start: usize,
    end: usize,
    lead: Lead,
    previous: Previous,
    /// Open parentheses of a rule.
    parentheses: usize,
    /// Open `BEGIN ATOMIC` and `CASE` of a routine's body.
    blocks: usize,
}

struct Splitter<'t> {
    text: &'t str,
    lexer: Lexer<'t>,
    script: Script,
    open: Option<Open>,
}

impl Splitter<'_> {
    fn run(&mut self) {
        while let Some(token) = self.lexer.next() {
            if let Some(opener) = token.unterminated {
                let range = token.start..token.start + opener;
                let opener = self.text[range.clone()].to_owned();
                self.script.problems.push(Problem { range, kind: ProblemKind::Unterminated(opener) });
            }
            match token.kind {
                TokenKind::LineComment | TokenKind::BlockComment => {
                    self.script.comments.push(token.start..token.end);
                }
                TokenKind::Backslash => self.meta_command(token),
                TokenKind::Semicolon => match &mut self.open {
                    Some(open) if open.parentheses > 0 || open.blocks > 0 => {
                        open.end = token.end;
                        open.previous = Previous::Other;
                    }
                    _ => self.close(),
                },
                _ => {
                    let text = self.text;
                    let open = self.open.get_or_insert(Open {
                        start: token.start,
                        end: token.end,
                        lead: Lead::Start,
                        previous: Previous::Other,
                        parentheses: 0,
                        blocks: 0,
                    });
                    open.read(token, &text[token.start..token.end]);
                }
            }
        }
        self.close();
    }

    /// Ends the open statement, if there is one. The lexer stands behind its semicolon.
    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let range = open.start..open.end;
        let kind = classify(&self.text[range.clone()]);
        let copy_data = if kind == Kind::CopyIn { self.copy_data(&range) } else { None };
        self.script.statements.push(Statement { range, kind, copy_data });
    }

    /// The data behind a `COPY … FROM STDIN`: from the next line to the line `\.`.
    fn copy_data(&mut self, statement: &Range<usize>) -> Option<Range<usize>> {
        let unended = Problem { range: statement.clone(), kind: ProblemKind::CopyWithoutEnd };
        let Some(start) = self.next_line() else {
            self.script.problems.push(unended);
            return None;
        };
        let mut line = start;
        while line < self.text.len() {
            let end = self.text[line..].find('\n').map_or(self.text.len(), |n| line + n);
            if self.text[line..end].trim_end_matches('\r') == "\\." {
                self.lexer.seek(end);
                return Some(start..line);
            }
            line = end + 1;
        }
        self.script.problems.push(unended);
        self.lexer.seek(self.text.len());
        Some(start..self.text.len())
    }

    /// Where the line behind the lexer's starts, if the lexer's own holds nothing more but comments.
    fn next_line(&mut self) -> Option<usize> {
        let mut comments = Vec::new();
        let mut ahead = self.lexer.clone();
        let start = loop {
            // Looked for before the next token is read: that may be data, and seem to be a string without an end.
            let rest = self.text.as_bytes()[ahead.pos()..].iter();
            let blank = rest.take_while(|&&b| is_space(b)).position(|&b| b == b'\n');
            if let Some(newline) = blank {
                break ahead.pos() + newline + 1;
            }
            match ahead.next() {
                Some(t) if t.kind.is_comment() && t.unterminated.is_none() => {
                    if self.text[t.start..t.end].contains('\n') {
                        return None;
                    }
                    comments.push(t.start..t.end);
                }
                Some(_) => return None,
                None => break self.text.len(),
            }
        };
        self.script.comments.extend(comments);
        Some(start)
    }

    /// psql alone knows these. Those that send the query buffer end the statement.
    fn meta_command(&mut self, token: Token) {
        let line = &self.text[token.start..token.end];
        let word = line[1..].split(|c: char| c.is_whitespace() || c == '\\').next().unwrap_or("");
        let problem = ProblemKind::MetaCommand(word.to_owned());
        let end = token.start + line.trim_ascii_end().len();
        self.script.problems.push(Problem { range: token.start..end, kind: problem });
        if let Some(open) = &mut self.open {
            if word.starts_with('g') || word == "watch" || word == "crosstabview" {
                self.close();
            } else {
                open.end = end;
            }
        }
    }
}

impl Open {
    fn read(&mut self, token: Token, text: &str) {
        self.end = token.end;
        let is = |word: &str| text.eq_ignore_ascii_case(word);
        match token.kind {
            TokenKind::Open if self.lead == Lead::Rule => self.parentheses += 1,
            TokenKind::Close => self.parentheses = self.parentheses.saturating_sub(1),
            TokenKind::Word if self.lead == Lead::Routine && self.previous != Previous::NameFollows => {
                if self.blocks == 0 && self.previous == Previous::Begin && is("atomic") {
                    self.blocks = 1;
                } else if self.blocks > 0 && is("case") {
                    self.blocks += 1;
                } else if self.blocks > 0 && is("end") {
                    self.blocks -= 1;
                }
            }
            _ => {}
        }
        self.lead = match (self.lead, token.kind) {
            (Lead::Start, TokenKind::Word) if is("create") => Lead::Create,
            (Lead::Create, TokenKind::Word) if is("or") || is("replace") => Lead::Create,
            (Lead::Create, TokenKind::Word) if is("rule") => Lead::Rule,
            (Lead::Create, TokenKind::Word) if is("function") || is("procedure") => Lead::Routine,
            (Lead::Start | Lead::Create, _) => Lead::Other,
            (lead, _) => lead,
        };
        // Only a routine's body asks.
        if self.lead == Lead::Routine {
            self.previous = match token.kind {
                TokenKind::Word if is("begin") => Previous::Begin,
                TokenKind::Word if is("as") => Previous::NameFollows,
                TokenKind::Other(b'.') => Previous::NameFollows,
                _ => Previous::Other,
            };
        }
    }
}
