//! From a file's text to its records. The records are read by the `sqllogictest` crate's own parser; it ends at a `migrate`
//! record, which it does not know, and goes on behind it.

use std::ops::RangeInclusive;

use sqllogictest::{Condition, Control, DefaultColumnType, ParseErrorKind};

use super::{Act, Go, Problem, Record, Scenario, Step};

/// What `skipif` and `onlyif` may name.
pub(super) const LABELS: &[&str] = &["postgres", "postgresql", "migd"];

/// How a `migrate` record is written.
const FORMS: &str = "write `migrate to VERSION`, `migrate up`, `migrate down`, `migrate down N` or `migrate latest`";

/// Reads a scenario. What is wrong with it first, where something is.
pub fn parse(text: &str) -> Result<Scenario, Problem> {
    let lines: Vec<&str> = text.lines().collect();
    let mut steps: Vec<Step> = Vec::new();
    // Where the text that is not yet read begins, in lines and in bytes.
    let (mut first, mut start) = (0, 0);
    // Conditions that stand right before a `migrate` record are its own.
    let mut pending: Vec<Condition>;
    loop {
        let rest = &text[start..];
        let (chunk, next) = match sqllogictest::parse::<DefaultColumnType>(rest) {
            Ok(records) => (records, None),
            Err(error) => {
                let at = (first + error.location().line().max(1) as usize - 1).min(lines.len().saturating_sub(1));
                let line = lines.get(at).copied().unwrap_or_default();
                let unknown = matches!(error.kind(), ParseErrorKind::InvalidLine(_));
                if !unknown || line.split_whitespace().next() != Some("migrate") {
                    return Err(unreadable(&error.kind(), line, one(at)));
                }
                let go = go(line).map_err(|message| problem(one(at), message, FORMS))?;
                let before: usize = rest.split_inclusive('\n').take(at - first).map(str::len).sum();
                let through: usize = rest.split_inclusive('\n').take(at - first + 1).map(str::len).sum();
                let records = sqllogictest::parse::<DefaultColumnType>(&rest[..before]);
                let records = records.map_err(|error| unreadable(&error.kind(), line, one(at)))?;
                (records, Some((at, go, start + through)))
            }
        };
        pending = take_conditions(&chunk);
        for record in chunk {
            let Some(line) = line_of(&record) else {
                if matches!(record, Record::Control(Control::Substitution(true))) {
                    let is_it = |line: &&str| line.split_whitespace().eq(["control", "substitution", "on"]);
                    let at = first + lines[first..].iter().position(is_it).unwrap_or(0);
                    return Err(problem(one(at), SUBSTITUTION, "write the value itself"));
                }
                continue_with(&mut steps, record, first);
                continue;
            };
            let begin = first + line as usize;
            if matches!(record, Record::Halt { .. }) {
                return Ok(Scenario { steps });
            }
            let span = u32::try_from(begin).unwrap_or(u32::MAX)..=last_line(&lines, begin);
            refuse(&record, &span)?;
            steps.push(Step { lines: span, act: Act::Record(Box::new(record)) });
        }
        let Some((at, go, next)) = next else { return Ok(Scenario { steps }) };
        if !pending.iter().any(is_skipped) {
            steps.push(Step { lines: one(at), act: Act::Migrate(go) });
        }
        (first, start) = (at + 1, next);
    }
}

/// A record without a place of its own: kept where it changes what comes after it.
fn continue_with(steps: &mut Vec<Step>, record: Record, first: usize) {
    if matches!(record, Record::Control(_)) {
        steps.push(Step { lines: one(first), act: Act::Record(Box::new(record)) });
    }
}

/// The conditions at the end of `records`, which no statement has taken.
fn take_conditions(records: &[Record]) -> Vec<Condition> {
    let mut conditions = Vec::new();
    for record in records.iter().rev() {
        match record {
            Record::Condition(condition) => conditions.push(condition.clone()),
            Record::Newline | Record::Comment(_) | Record::Connection(_) => {}
            _ => break,
        }
    }
    conditions
}

fn is_skipped(condition: &Condition) -> bool {
    match condition {
        Condition::OnlyIf { label } => !LABELS.contains(&label.as_str()),
        Condition::SkipIf { label } => LABELS.contains(&label.as_str()),
    }
}

/// The line of a record in the text that it was read from, from 1; none where the parser keeps none.
fn line_of(record: &Record) -> Option<u32> {
    match record {
        Record::Statement { loc, .. }
        | Record::Query { loc, .. }
        | Record::System { loc, .. }
        | Record::Include { loc, .. }
        | Record::Sleep { loc, .. }
        | Record::Subtest { loc, .. }
        | Record::Halt { loc }
        | Record::HashThreshold { loc, .. }
        | Record::Let { loc, .. } => Some(loc.line()),
        _ => None,
    }
}

/// Records that reach outside the database, or that need others that do.
fn refuse(record: &Record, span: &RangeInclusive<u32>) -> Result<(), Problem> {
    let (message, help) = match record {
        Record::System { .. } => (SYSTEM, SYSTEM_HELP),
        Record::Include { .. } => ("`include` reads other files", "copy what the scenario needs into it"),
        Record::Let { .. } => (
            "`let` has no effect: values are not substituted in a scenario",
            "write the value, or a query that finds it",
        ),
        _ => return Ok(()),
    };
    Err(problem(span.clone(), message, help))
}

const SYSTEM: &str = "`system` runs a program, which a scenario may not";
const SYSTEM_HELP: &str = "a repository may be anybody's: scenarios run SQL and migrations, nothing else";

const SUBSTITUTION: &str = "`control substitution` would read the environment, which a scenario may not";

/// What a `migrate` record says.
fn go(line: &str) -> Result<Go, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["migrate", "to", version] => Ok(Go::To((*version).to_owned())),
        ["migrate", "up"] => Ok(Go::Up),
        ["migrate", "latest"] => Ok(Go::Latest),
        ["migrate", "down"] => Ok(Go::Down(1)),
        ["migrate", "down", count] => match count.parse::<usize>() {
            Ok(count) if count > 0 => Ok(Go::Down(count)),
            _ => Err(format!("`{count}` is no number of migrations to revert")),
        },
        _ => Err(format!("`{}` is not a way to migrate", line.trim())),
    }
}

fn unreadable(kind: &ParseErrorKind, line: &str, span: RangeInclusive<u32>) -> Problem {
    let word = line.split_whitespace().next().unwrap_or_default();
    let (message, help) = match kind {
        ParseErrorKind::InvalidLine(_) if word == "system" => (SYSTEM.to_owned(), SYSTEM_HELP.to_owned()),
        ParseErrorKind::InvalidLine(_) => {
            let known = ["statement", "query", "migrate", "connection", "skipif", "onlyif", "halt", "hash-threshold"];
            let near = known.iter().map(|known| (strsim::jaro_winkler(known, word), known));
            let near = near.filter(|(score, _)| *score >= 0.8).max_by(|a, b| a.0.total_cmp(&b.0));
            let help = match near {
                Some((_, known)) if *known == word => format!("`{word}` records have another form than this"),
                Some((_, known)) => format!("did you mean `{known}`?"),
                None => {
                    "a record begins with `statement`, `query` or `migrate`, and ends with an empty line".to_owned()
                }
            };
            (format!("`{}` begins no record", shortened(line)), help)
        }
        ParseErrorKind::UnexpectedEOF => {
            let help = "the statement stands on the lines behind it".to_owned();
            ("the record has no statement".to_owned(), help)
        }
        other => (other.to_string(), "see the sqllogictest format".to_owned()),
    };
    Problem { lines: span, message, help }
}

fn shortened(line: &str) -> String {
    let line = line.trim();
    match line.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

fn problem(lines: RangeInclusive<u32>, message: impl Into<String>, help: &str) -> Problem {
    Problem { lines, message: message.into(), help: help.to_owned() }
}

/// The line at this index.
fn one(at: usize) -> RangeInclusive<u32> {
    let line = u32::try_from(at + 1).unwrap_or(u32::MAX);
    line..=line
}

/// The last line of the record that begins at `line`, from 1: the one before the next empty line.
fn last_line(lines: &[&str], line: usize) -> u32 {
    let length = lines.iter().skip(line).take_while(|line| !line.is_empty()).count();
    u32::try_from(line + length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acts(text: &str) -> Vec<String> {
        let told = |step: &Step| match &step.act {
            Act::Migrate(go) => format!("{:?} {go:?}", step.lines),
            Act::Record(record) => {
                format!("{:?} {}", step.lines, record.to_string().lines().next().unwrap_or_default())
            }
        };
        parse(text).unwrap().steps.iter().map(told).collect()
    }

    fn wrong(text: &str) -> (u32, String) {
        let problem = parse(text).unwrap_err();
        (*problem.lines.start(), problem.message)
    }

    #[test]
    fn migrate_records_stand_among_the_others_with_their_lines() {
        let text = "\
# a comment
migrate to 0041

statement ok
INSERT INTO t
VALUES (1)

migrate up
query I
SELECT id FROM t
----
1

migrate down 2
migrate latest
";
        assert_eq!(
            acts(text),
            [
                "2..=2 To(\"0041\")",
                "4..=6 statement ok",
                "8..=8 Up",
                "9..=12 query I",
                "14..=14 Down(2)",
                "15..=15 Latest"
            ]
        );
    }

    #[test]
    fn a_statement_may_have_a_line_that_looks_like_a_record() {
        let text = "statement ok\nSELECT 1 AS\nmigrate\n\nmigrate up\n";
        assert_eq!(acts(text), ["1..=3 statement ok", "5..=5 Up"]);
    }

    #[test]
    fn what_follows_halt_is_not_read() {
        assert_eq!(acts("migrate up\n\nhalt\n\nsystem ok\ntouch /tmp/x\n"), ["1..=1 Up"]);
    }

    #[test]
    fn a_condition_before_a_migrate_record_is_its_own() {
        assert_eq!(acts("skipif postgres\nmigrate up\n\nonlyif sqlite\nmigrate up\n"), Vec::<String>::new());
        assert_eq!(acts("onlyif postgres\nmigrate up\n\nskipif sqlite\nmigrate up\n").len(), 2);
    }

    #[test]
    fn what_reaches_outside_the_database_is_refused() {
        assert_eq!(wrong("migrate up\n\nsystem ok\ntouch /tmp/x\n"), (3, SYSTEM.to_owned()));
        assert_eq!(wrong("\nsystem error\nfalse\n"), (2, SYSTEM.to_owned()));
        assert_eq!(wrong("include other.slt\n").1, "`include` reads other files");
        assert_eq!(wrong("migrate up\n\ncontrol substitution on\n"), (3, SUBSTITUTION.to_owned()));
        assert!(wrong("let id\nSELECT 1\n").1.contains("`let`"));
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_line() {
        assert_eq!(wrong("migrate up\n\nstatment ok\nSELECT 1\n"), (3, "`statment ok` begins no record".to_owned()));
        assert_eq!(parse("statment ok\n").unwrap_err().help, "did you mean `statement`?");
        assert_eq!(wrong("migrate sideways\n"), (1, "`migrate sideways` is not a way to migrate".to_owned()));
        assert_eq!(wrong("migrate down 0\n"), (1, "`0` is no number of migrations to revert".to_owned()));
        assert_eq!(wrong("migrate up\n\nstatement ok\n"), (3, "the record has no statement".to_owned()));
        assert!(wrong("statement error (\nSELECT 1\n").1.starts_with("invalid error message"));
    }

    #[test]
    fn lines_that_end_in_carriage_returns_are_counted_alike() {
        assert_eq!(acts("migrate up\r\n\r\nstatement ok\r\nSELECT 1\r\n"), ["1..=1 Up", "3..=4 statement ok"]);
    }

    #[test]
    fn any_text_is_read_without_a_panic() {
        proptest::proptest!(|(text in "(migrate |statement |query |up|ok|to|----|\n|system|let x|#|é|halt| )*")| {
            let _ = parse(&text);
        });
    }
}
