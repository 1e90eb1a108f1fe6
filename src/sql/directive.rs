//! migd's directives: what the author of a migration accepts, in a line comment, with a reason.
//!
//! ```sql
//! -- migd: assume data.unique(users.email) -- deduplicated by job 2024-11, see runbook
//! -- migd: allow lock.blocks-writes until 2027-06-30 -- 200 rows
//! ```

use std::fmt;
use std::ops::Range;
use std::time::SystemTime;

use super::split;

/// `-- migd: dev-only`: the statements under it are not for production.
pub const DEV_ONLY: &str = "dev-only";

/// One accepted finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// What is done about it.
    pub action: Action,
    /// The finding's code.
    pub code: String,
    /// What it is about: a table, column or constraint.
    pub target: Option<String>,
    /// The last day on which it holds.
    pub until: Option<Day>,
    /// Why.
    pub reason: String,
    /// The comment's bytes in the text.
    pub range: Range<usize>,
}

/// What a directive does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// `assume`: the data is as it must be; becomes a count that `migd preflight` runs.
    Assume,
    /// `allow`: the finding is accepted.
    Allow,
}

/// The directives of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directives {
    /// The well-formed ones, in order.
    pub directives: Vec<Directive>,
    /// Comments that start like one and are none, in order.
    pub problems: Vec<Malformed>,
}

/// A directive that says too little or something unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong with it.
    pub kind: MalformedKind,
    /// The comment's bytes in the text.
    pub range: Range<usize>,
}

/// What is wrong with a directive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedKind {
    /// The first word.
    #[error("unknown directive `{0}`, expected `assume` or `allow`")]
    UnknownAction(String),
    /// The second word.
    #[error("`{0}` is no finding code, expected family.name")]
    BadCode(String),
    /// `assume` without parentheses, or parentheses that hold nothing or are not closed.
    #[error("expected a target in parentheses, as in data.unique(users.email)")]
    BadTarget,
    /// After `until`.
    #[error("`{0}` is no date, expected YYYY-MM-DD")]
    BadDate(String),
    /// Something between the code and the reason.
    #[error("unknown word `{0}`, expected `until YYYY-MM-DD` or `-- reason`")]
    UnknownWord(String),
    /// Nothing behind the second `--`.
    #[error("the reason is missing: add `-- why`")]
    MissingReason,
    /// In a block comment.
    #[error("a directive is a line comment: start it with `-- migd:`")]
    NotALineComment,
}

/// A calendar day, from 1970 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day {
    /// As in 2027.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

impl Day {
    /// Reads `YYYY-MM-DD`; none when there is no such day.
    pub fn parse(text: &str) -> Option<Day> {
        let digits = |part: &str, len: usize| {
            (part.len() == len && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse::<u16>().ok())?
        };
        let mut parts = text.splitn(3, '-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        let day = Day {
            year: digits(year, 4)?,
            month: u8::try_from(digits(month, 2)?).ok()?,
            day: u8::try_from(digits(day, 2)?).ok()?,
        };
        humantime::parse_rfc3339(&format!("{text}T00:00:00Z")).ok().map(|_| day)
    }

    /// The day, in UTC, on which `time` falls.
    pub fn of(time: SystemTime) -> Option<Day> {
        let time = time.max(SystemTime::UNIX_EPOCH);
        Day::parse(humantime::format_rfc3339_seconds(time).to_string().get(..10)?)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// The directives in the comments of `text`.
pub fn directives(text: &str) -> Directives {
    directives_in(text, &split(text).comments)
}

/// The directives among `comments`, which [`super::split()`] found in `text`.
pub fn directives_in(text: &str, comments: &[Range<usize>]) -> Directives {
    let mut found = Directives::default();
    for range in comments {
        let Some(comment) = text.get(range.clone()) else { continue };
        let range = range.start..range.start + comment.trim_end().len();
        let body = comment.trim_start_matches(['-', '/', '*', ' ', '\t', '\r', '\n']);
        let Some(body) = strip_marker(body) else { continue };
        // Accepts nothing: it is a mark, and a check looks for it.
        if word(body).0 == DEV_ONLY {
            continue;
        }
        let parsed = if comment.starts_with("--") { parse(body) } else { Err(MalformedKind::NotALineComment) };
        match parsed {
            Ok((action, code, target, until, reason)) => {
                found.directives.push(Directive { action, code, target, until, reason, range });
            }
            Err(kind) => found.problems.push(Malformed { kind, range }),
        }
    }
    found
}

/// What follows `migd:`.
fn strip_marker(body: &str) -> Option<&str> {
    let head = body.get(..4)?;
    let rest = body.get(4..)?.trim_start();
    if head.eq_ignore_ascii_case("migd") { rest.strip_prefix(':') } else { None }
}

type Parts = (Action, String, Option<String>, Option<Day>, String);

/// `ACTION CODE[(TARGET)] [until DATE] -- REASON`
fn parse(body: &str) -> Result<Parts, MalformedKind> {
    let (word, rest) = word(body);
    let action = match word {
        "assume" => Action::Assume,
        "allow" => Action::Allow,
        _ => return Err(MalformedKind::UnknownAction(word.to_owned())),
    };
    let rest = rest.trim_start();
    let code_len = rest.find(|c: char| c == '(' || c.is_whitespace()).unwrap_or(rest.len());
    let (code, mut rest) = rest.split_at(code_len);
    if !is_code(code) {
        return Err(MalformedKind::BadCode(code.to_owned()));
    }
    let mut target = None;
    if rest.trim_start().starts_with('(') {
        let (inner, after) = parenthesised(rest.trim_start()).ok_or(MalformedKind::BadTarget)?;
        target = Some(inner.to_owned());
        rest = after;
    } else if action == Action::Assume {
        return Err(MalformedKind::BadTarget);
    }
    let (clause, reason) = match rest.find("--") {
        Some(at) => (rest[..at].trim(), rest[at + 2..].trim()),
        None => (rest.trim(), ""),
    };
    let until = match self::word(clause) {
        ("", _) => None,
        ("until", date) => {
            let date = date.trim();
            Some(Day::parse(date).ok_or_else(|| MalformedKind::BadDate(date.to_owned()))?)
        }
        (other, _) => return Err(MalformedKind::UnknownWord(other.to_owned())),
    };
    if reason.is_empty() {
        return Err(MalformedKind::MissingReason);
    }
    Ok((action, code.to_owned(), target, until, reason.to_owned()))
}

fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()))
}

/// `family.name`, or a family alone.
fn is_code(code: &str) -> bool {
    let part = |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    match code.split_once('.') {
        Some((family, name)) => part(family) && part(name),
        None => false,
    }
}

/// The inside of the parentheses that `text` starts with, and what follows them.
fn parenthesised(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0usize;
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    let inner = text[1..at].trim();
                    return (!inner.is_empty()).then_some((inner, &text[at + 1..]));
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn only(text: &str) -> Directive {
        let found = directives(text);
        assert_eq!(found.problems, [], "{text}");
        assert_eq!(found.directives.len(), 1, "{text}");
        found.directives[0].clone()
    }

    fn problem(text: &str) -> MalformedKind {
        let found = directives(text);
        assert_eq!(found.directives, [], "{text}");
        assert_eq!(found.problems.len(), 1, "{text}");
        found.problems[0].kind.clone()
    }

    #[test]
    fn an_assumption_names_code_target_and_reason() {
        let text = "SELECT 1;\n-- migd: assume data.unique(users.email) -- deduplicated by job 2024-11, see runbook\n";
        let directive = only(text);
        assert_eq!(directive.action, Action::Assume);
        assert_eq!(directive.code, "data.unique");
        assert_eq!(directive.target.as_deref(), Some("users.email"));
        assert_eq!(directive.until, None);
        assert_eq!(directive.reason, "deduplicated by job 2024-11, see runbook");
        assert_eq!(&text[directive.range], text.lines().nth(1).unwrap());
    }

    #[test]
    fn an_allowance_may_have_an_expiry_and_a_target() {
        let directive = only("--migd:allow lock.blocks-writes until 2027-06-30 -- 200 rows\r\n");
        assert_eq!(directive.until, Some(Day { year: 2027, month: 6, day: 30 }));
        assert_eq!((directive.target, directive.reason.as_str()), (None, "200 rows"));
        let directive = only("-- migd: allow lint.x (public.\"a)b\"(c, d)) until 2027-06-30 -- small -- really");
        assert_eq!(directive.target.as_deref(), Some("public.\"a)b\"(c, d)"));
        assert_eq!(directive.reason, "small -- really");
    }

    #[test]
    fn what_is_malformed_is_said() {
        use MalformedKind::*;
        assert_eq!(problem("-- migd: ignore data.unique -- x"), UnknownAction("ignore".into()));
        assert_eq!(problem("-- migd:"), UnknownAction(String::new()));
        assert_eq!(problem("-- migd: allow everything -- x"), BadCode("everything".into()));
        assert_eq!(problem("-- migd: assume data.unique -- x"), BadTarget);
        assert_eq!(problem("-- migd: allow data.unique( -- x"), BadTarget);
        assert_eq!(problem("-- migd: allow data.unique() -- x"), BadTarget);
        assert_eq!(problem("-- migd: allow data.unique until 2027-02-30 -- x"), BadDate("2027-02-30".into()));
        assert_eq!(problem("-- migd: allow data.unique until tomorrow -- x"), BadDate("tomorrow".into()));
        assert_eq!(problem("-- migd: allow data.unique always -- x"), UnknownWord("always".into()));
        assert_eq!(problem("-- migd: allow data.unique until 2027-02-03"), MissingReason);
        assert_eq!(problem("-- migd: allow data.unique --  "), MissingReason);
        assert_eq!(problem("/* migd: allow data.unique -- x */"), NotALineComment);
    }

    #[test]
    fn strings_data_and_other_comments_hold_no_directives() {
        let text = "SELECT '\n-- migd: allow a.b -- x\n', $$\n-- migd: nonsense\n$$; -- migdal: allow\n\
                    COPY t FROM stdin;\n-- migd: nonsense\n\\.\n-- about migd: allow\n";
        assert_eq!(directives(text), Directives::default());
    }

    #[test]
    fn days_are_compared_as_days() {
        let day = Day::parse("2024-02-29").unwrap();
        assert_eq!(day.to_string(), "2024-02-29");
        assert_eq!(Day::parse("2023-02-29"), None);
        assert_eq!(Day::parse("2024-2-29"), None);
        let late = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_709_251_199);
        assert_eq!(Day::of(late), Some(day));
        assert!(day < Day::parse("2024-03-01").unwrap());
    }
}
