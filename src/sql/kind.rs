//! What a statement is, told from its keywords.

use super::Kind;
use super::lexer::{Lexer, TokenKind};

/// Classifies one statement. Reads no further than it must: most statements are told by their first word.
pub fn classify(statement: &str) -> Kind {
    let mut words = Words::new(statement);
    let mut buffer = Buffer::default();
    let first = buffer.upper(words.first());
    match first {
        "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "TRUNCATE" | "SELECT" | "WITH" | "VALUES" | "TABLE" => Kind::Data,
        "BEGIN" => Kind::Begin,
        "START" if words.take("TRANSACTION") => Kind::Begin,
        "COMMIT" if words.take("PREPARED") => Kind::NoTransaction,
        "COMMIT" | "END" => Kind::Commit,
        "ABORT" => Kind::Rollback,
        "ROLLBACK" => rollback(words),
        "SAVEPOINT" | "RELEASE" => Kind::Savepoint,
        "SET" => match Buffer::default().upper(words.next()) {
            "TRANSACTION" | "CONSTRAINTS" => Kind::Other,
            _ => Kind::Set,
        },
        "RESET" => Kind::Set,
        "VACUUM" => Kind::NoTransaction,
        "DISCARD" if words.take("ALL") => Kind::NoTransaction,
        // Without a table it clusters all of them, each in a transaction of its own.
        "CLUSTER" => match Buffer::default().upper(words.next()) {
            "" if words.ended => Kind::NoTransaction,
            "VERBOSE" if words.next().is_empty() && words.ended => Kind::NoTransaction,
            _ => Kind::Other,
        },
        "REINDEX" => reindex(words),
        "CREATE" | "DROP" | "ALTER" => definition(first, words),
        "COMMENT" if words.take("ON") && words.take("EXTENSION") => Kind::Extension,
        "COPY" if copies_from_stdin(statement) => Kind::CopyIn,
        _ => Kind::Other,
    }
}

/// `CREATE`, `DROP`, `ALTER`: the object's words decide.
fn definition(verb: &str, mut words: Words<'_>) -> Kind {
    let mut buffer = Buffer::default();
    match buffer.upper(words.next()) {
        "EXTENSION" => Kind::Extension,
        "DATABASE" if verb != "ALTER" => Kind::Database,
        "DATABASE" if words.has(&["SET", "TABLESPACE"]) => Kind::NoTransaction,
        "TABLESPACE" if verb != "ALTER" => Kind::NoTransaction,
        "SYSTEM" if verb == "ALTER" => Kind::NoTransaction,
        "SUBSCRIPTION" => subscription(verb, words),
        "UNIQUE" if verb == "CREATE" && words.take("INDEX") => concurrently(words),
        "INDEX" if verb != "ALTER" => concurrently(words),
        "TABLE" if verb == "ALTER" && detaches_concurrently(words) => Kind::NoTransaction,
        _ => Kind::Other,
    }
}

fn concurrently(mut words: Words<'_>) -> Kind {
    if words.take("CONCURRENTLY") { Kind::NoTransaction } else { Kind::Other }
}

/// `ROLLBACK [WORK | TRANSACTION] [TO …]`, `ROLLBACK PREPARED`.
fn rollback(mut words: Words<'_>) -> Kind {
    match Buffer::default().upper(words.next()) {
        "PREPARED" => Kind::NoTransaction,
        "TO" => Kind::Savepoint,
        "WORK" | "TRANSACTION" if words.take("TO") => Kind::Savepoint,
        _ => Kind::Rollback,
    }
}

/// `REINDEX [( … )] { INDEX | TABLE | SCHEMA | DATABASE | SYSTEM } [CONCURRENTLY] name`.
fn reindex(mut words: Words<'_>) -> Kind {
    for _ in 0..16 {
        match Buffer::default().upper(words.next()) {
            "CONCURRENTLY" | "SCHEMA" | "DATABASE" | "SYSTEM" => return Kind::NoTransaction,
            "INDEX" | "TABLE" => return concurrently(words),
            "" if words.ended => break,
            _ => {}
        }
    }
    Kind::Other
}

/// Refused in a transaction where a replication slot is made or dropped, or tables are fetched from the publisher.
fn subscription(verb: &str, words: Words<'_>) -> Kind {
    let refused = match verb {
        "CREATE" => !words.has_option_off(&["CONNECT", "CREATE_SLOT"]),
        "DROP" => true,
        _ => {
            words.has(&["REFRESH", "PUBLICATION"])
                || (words.has(&["PUBLICATION"]) && !words.has_option_off(&["REFRESH"]))
        }
    };
    if refused { Kind::NoTransaction } else { Kind::Other }
}

/// `ALTER TABLE … DETACH PARTITION name CONCURRENTLY`.
fn detaches_concurrently(mut words: Words<'_>) -> bool {
    if !words.has_mut(&["DETACH", "PARTITION"]) {
        return false;
    }
    // The partition's name: up to three parts with dots between.
    (0..6).any(|_| words.take_anything() == Some(true))
}

/// `COPY name [( … )] FROM STDIN`, outside of parentheses.
fn copies_from_stdin(statement: &str) -> bool {
    let mut depth = 0usize;
    let mut from = false;
    for token in Lexer::new(statement, 0).filter(|t| !t.kind.is_comment()) {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth = depth.saturating_sub(1),
            TokenKind::Word if depth == 0 => {
                let word = &statement[token.start..token.end];
                if from {
                    // The server's grammar takes either word for the client.
                    return word.eq_ignore_ascii_case("stdin") || word.eq_ignore_ascii_case("stdout");
                }
                if word.eq_ignore_ascii_case("to") {
                    return false;
                }
                from = word.eq_ignore_ascii_case("from");
            }
            _ if from => return false,
            _ => {}
        }
    }
    false
}

/// The words of a statement; what is no word is the empty string.
#[derive(Clone)]
struct Words<'t> {
    text: &'t str,
    lexer: Lexer<'t>,
    ended: bool,
}

impl<'t> Words<'t> {
    fn new(text: &'t str) -> Self {
        Words { text, lexer: Lexer::new(text, 0), ended: false }
    }

    /// The first word, behind any opening parentheses.
    fn first(&mut self) -> &'t str {
        loop {
            let token = self.lexer.next();
            match token {
                Some(t) if t.kind.is_comment() || t.kind == TokenKind::Open => {}
                Some(t) if t.kind == TokenKind::Word => return &self.text[t.start..t.end],
                _ => return "",
            }
        }
    }

    fn next(&mut self) -> &'t str {
        match self.lexer.by_ref().find(|t| !t.kind.is_comment()) {
            Some(t) if t.kind == TokenKind::Word => &self.text[t.start..t.end],
            Some(_) => "",
            None => {
                self.ended = true;
                ""
            }
        }
    }

    /// Whether the next token is `word`; it is consumed only then.
    fn take(&mut self, word: &str) -> bool {
        let mut ahead = self.clone();
        let found = ahead.next().eq_ignore_ascii_case(word);
        if found {
            *self = ahead;
        }
        found
    }

    /// Consumes one token: whether it is the word `CONCURRENTLY`; none at the end.
    fn take_anything(&mut self) -> Option<bool> {
        let word = self.next();
        (!self.ended).then(|| word.eq_ignore_ascii_case("CONCURRENTLY"))
    }

    /// Whether these words follow each other somewhere; consumes up to there.
    fn has_mut(&mut self, sequence: &[&str]) -> bool {
        let mut matched = 0;
        while matched < sequence.len() {
            let word = self.next();
            if self.ended {
                return false;
            }
            matched = if word.eq_ignore_ascii_case(sequence[matched]) {
                matched + 1
            } else {
                usize::from(word.eq_ignore_ascii_case(sequence[0]))
            };
        }
        true
    }

    fn has(&self, sequence: &[&str]) -> bool {
        self.clone().has_mut(sequence)
    }

    /// Whether one of `options` is followed by `= false`, `= off` or `= 0`.
    fn has_option_off(&self, options: &[&str]) -> bool {
        let mut words = self.clone();
        loop {
            let word = words.next();
            if words.ended {
                return false;
            }
            if options.iter().any(|o| word.eq_ignore_ascii_case(o)) {
                let mut tokens = words.lexer.clone().filter(|t| !t.kind.is_comment());
                let equals = tokens.next().is_some_and(|t| t.kind == TokenKind::Other(b'='));
                let value = tokens.next().map_or("", |t| &self.text[t.start..t.end]);
                let value = value.trim_matches('\'');
                if equals && ["false", "off", "0", "no"].iter().any(|off| value.eq_ignore_ascii_case(off)) {
                    return true;
                }
            }
        }
    }
}

/// Room for one keyword in upper case: no keyword that matters here is longer, so that nothing is allocated.
#[derive(Default)]
struct Buffer([u8; 16]);

impl Buffer {
    fn upper(&mut self, word: &str) -> &str {
        let Some(room) = self.0.get_mut(..word.len()) else { return "?" };
        room.copy_from_slice(word.as_bytes());
        room.make_ascii_uppercase();
        std::str::from_utf8(room).unwrap_or("?")
    }
}
