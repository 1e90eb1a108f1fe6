//! sql-migrate: `name.sql` with `-- +migrate Up` and `-- +migrate Down`; ordered by leading number, then by name.
//!
//! It cuts by lines that end in a semicolon, unless `StatementBegin` and `StatementEnd` stand around them, and sends the
//! pieces in one transaction for each direction, bare where its marker says `notransaction`.

use std::ops::Range;

use super::draft::{Draft, literal};
use super::marked::{Refusal, ends_with_semicolon, lines, source};
use super::{Bookkeeping, Chain, Conduct, Heed, Late, Layout, Migration, Mode, Source, Tree};
use crate::verdict::Severity;

/// See the module.
pub(super) struct SqlMigrate;

impl Layout for SqlMigrate {
    fn name(&self) -> &'static str {
        "sql-migrate"
    }

    fn recognise(&self, tree: &Tree) -> u8 {
        let marked = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().any(|l| l.starts_with("-- +migrate Up"));
        let own = tree.files.iter().filter(|(f, _)| f.ends_with(".sql") && !f.contains('/'));
        if own.filter_map(|(_, f)| f.bytes.as_deref()).any(marked) { 95 } else { 0 }
    }

    fn plan(&self, root: &str, tree: &Tree) -> Chain {
        let mut draft = Draft::new(root, tree, self.name());
        let mut files: Vec<&str> = Vec::new();
        for file in tree.files.keys() {
            if file.ends_with(".sql") && !file.contains('/') {
                files.push(file);
            } else {
                draft.unknown(file);
            }
        }
        // Those with a number stand first; a number too large to read makes the runner fall over.
        files.sort_by_key(|file| {
            let digits = digits(file);
            (digits.is_empty(), digits.parse::<i64>().unwrap_or(i64::MAX), *file)
        });
        for file in files {
            let (up, down) = directions(&mut draft, file);
            let stem = file.strip_suffix(".sql").unwrap_or(file);
            let number = super::plain::leading(stem).map_or(digits(stem), |(number, _)| number);
            let name = stem[number.len()..].trim_start_matches(['_', '-', '.']);
            draft.push(file, file.to_owned(), name, up, down);
        }
        draft.finish()
    }

    fn bookkeeping(&self, migration: &Migration) -> Bookkeeping {
        let id = literal(&migration.version);
        Bookkeeping {
            setup: vec![
                "CREATE TABLE IF NOT EXISTS \"gorp_migrations\" \
                 (\"id\" text not null primary key, \"applied_at\" timestamp with time zone)"
                    .to_owned(),
            ],
            applied: vec![format!("INSERT INTO \"gorp_migrations\" (\"id\", \"applied_at\") VALUES ({id}, now())")],
            reverted: vec![format!("DELETE FROM \"gorp_migrations\" WHERE \"id\" = {id}")],
        }
    }

    fn outside(&self) -> &'static str {
        "put it in a file of its own, and `notransaction` behind its `-- +migrate Up` (or `Down`)"
    }

    /// `up` first catches up on what comes before the last recorded one, then goes on. A recorded one without a file stops it
    /// (`unknown migration in database`); the file's name is the version.
    fn conduct(&self) -> Conduct {
        Conduct { late: Late::Runs, edited: Heed::Ignores, deleted: Heed::Refuses, renamed: Heed::Refuses }
    }
}

fn digits(name: &str) -> &str {
    &name[..name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len())]
}

fn directions(draft: &mut Draft<'_>, file: &str) -> (Option<Source>, Option<Source>) {
    let Some(text) = draft.text(file) else { return (None, None) };
    match parse(&text) {
        Ok([up, down]) => {
            let path = draft.path(file);
            let make = |side: Side| {
                let mode = if side.transaction { Mode::Wrapped } else { Mode::PerStatement };
                source(&path, &text, side.pieces, mode)
            };
            let (up, down) = (make(up), down.there.then(|| make(down)));
            // Other drivers than its own command's do not mind.
            for source in [Some(&up), down.as_ref()].into_iter().flatten() {
                draft.ends_transaction(file, source, Severity::Warning);
            }
            (Some(up), down)
        }
        Err(refusal) => {
            draft.malformed(file, &text, refusal);
            (None, None)
        }
    }
}

struct Side {
    there: bool,
    transaction: bool,
    pieces: Vec<Range<usize>>,
}

const UNFINISHED: &str = "sql-migrate refuses this file: a statement has no semicolon at its line's end";

/// Up and down: sql-migrate's own reader.
fn parse(text: &str) -> Result<[Side; 2], Refusal> {
    let side = || Side { there: false, transaction: true, pieces: Vec::new() };
    let mut sides = [side(), side()];
    let mut current: Option<usize> = None;
    let (mut inside, mut ended) = (false, false);
    let mut buffer: Option<Range<usize>> = None;
    for (range, line) in lines(text) {
        if line.starts_with("-- ") && !line.starts_with("-- +") {
            continue;
        }
        if let Some(command) = line.strip_prefix("-- +migrate ") {
            let mut words = command.split_whitespace();
            match words.next() {
                Some(direction @ ("Up" | "Down")) => {
                    if let Some(open) = buffer.take() {
                        return Err((open, UNFINISHED.to_owned()));
                    }
                    let at = usize::from(direction == "Down");
                    current = Some(at);
                    sides[at].there = true;
                    if words.any(|option| option == "notransaction") {
                        sides[at].transaction = false;
                    }
                }
                Some("StatementBegin") if current.is_some() => inside = true,
                Some("StatementEnd") if current.is_some() => {
                    ended = inside;
                    inside = false;
                }
                None => return Err((range, "sql-migrate refuses this file: an incomplete command".to_owned())),
                _ => {}
            }
        }
        let Some(at) = current else { continue };
        // A statement begins with a line that says something: a comment behind an empty one is not sent.
        if !line.starts_with("-- +") && (buffer.is_some() || !line.trim().is_empty()) {
            let start = buffer.as_ref().map_or(range.start, |b| b.start);
            buffer = Some(start..range.end);
        }
        if ended || (!inside && ends_with_semicolon(line)) {
            ended = false;
            sides[at].pieces.extend(buffer.take());
        }
    }
    let end = text.len()..text.len();
    if inside {
        return Err((end, "sql-migrate refuses this file: `+migrate StatementEnd` is missing".to_owned()));
    }
    if current.is_none() {
        return Err((0..0, "sql-migrate refuses this file: it has no `-- +migrate Up`".to_owned()));
    }
    match buffer {
        Some(rest) => Err((rest, UNFINISHED.to_owned())),
        None => Ok(sides),
    }
}
