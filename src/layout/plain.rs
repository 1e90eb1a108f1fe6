//! No runner: a folder of SQL files. Up only, `name.up.sql` with `name.down.sql`, or one file with `-- up` and `-- down`.
//!
//! Ordered by their leading number where all have one (`7`, `0042`, `1.2.3`, `2024-05-01`), else by name. Where the folder
//! itself has no numbered file, those of its numbered folders (one for each release) count, in the folders' order. Each runs
//! in one transaction, or statement by statement when the file starts with `-- no-transaction`. Nothing is recorded. Of a
//! file that is there for several databases (`7_a.mysql.up.sql`, `7_a.postgres.up.sql`), PostgreSQL's counts.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::draft::{Direction, Draft, is_program};
use super::{Bookkeeping, Chain, Conduct, Heed, Late, Layout, Migration, Mode, Reach, Source, Tree};
use crate::sql::split;
use crate::verdict::{Finding, Severity};

/// See the module.
pub(super) struct Plain;

impl Layout for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn recognise(&self, tree: &Tree) -> u8 {
        let stems: Vec<_> = own(tree).filter_map(|f| stem(f)).collect();
        let versioned = stems.iter().filter(|s| number(s).is_some()).count();
        if has_dialects(tree) && versioned == stems.len() {
            return 60;
        }
        if versioned > 0 && versioned * 2 > stems.len() { 30 } else { 0 }
    }

    fn plan(&self, root: &str, tree: &Tree) -> Chain {
        let mut draft = Draft::new(root, tree, self.name());
        let own: BTreeSet<&str> = own(tree).collect();
        let stems: BTreeSet<&str> = own.iter().filter_map(|f| stem(f)).collect();
        let mut ups: BTreeMap<&str, &str> = BTreeMap::new();
        let mut downs: BTreeMap<&str, &str> = BTreeMap::new();
        for file in tree.files.keys() {
            let Some(stem) = stem(file).filter(|_| own.contains(file.as_str())) else {
                draft.unknown(file);
                continue;
            };
            let (base, direction) = direction(stem, &stems);
            let Some(base) = of_postgres(base, stem, &stems) else {
                draft.unknown(file);
                continue;
            };
            let side = if direction == Direction::Up { &mut ups } else { &mut downs };
            if let Some(first) = side.insert(base, file) {
                draft.duplicate(base, first, file);
            }
        }
        let mut order: Vec<(&str, &str)> = ups.into_iter().collect();
        order.extend(programs(&own, &order));
        for (base, file) in &downs {
            if !order.iter().any(|(up, _)| up == base) {
                draft.down_without_up(file);
            }
        }
        let numbers: Option<Vec<Vec<u128>>> = order.iter().map(|(base, _)| number(base).map(|(_, n)| n)).collect();
        if numbers.is_some() {
            self.by_number(&mut draft, &mut order);
        } else {
            order.sort();
        }
        let mut taken = BTreeSet::new();
        for (base, file) in order {
            // Pop's mark for a file without a transaction.
            let mode = |text: &str| if file.contains(".autocommit.") { Mode::Simple } else { mode(text) };
            let text = if is_program(file) { None } else { draft.source(file, mode) };
            let (up, inner) = match text.map(directions) {
                Some((up, down)) => (Some(up), down),
                None => (None, None),
            };
            let outer = downs.get(base).and_then(|down| draft.source(down, mode));
            let digits = number(base).map_or(base, |(digits, _)| digits);
            let name = base[digits.len().min(base.len())..].trim_start_matches(['_', '-', '.', ' ']);
            let name = if number(base).is_some() { name } else { base };
            // The runner that takes two of one number goes by whole names.
            let version = if taken.insert(digits) { digits } else { base };
            draft.push(file, version.to_owned(), name, up, outer.or(inner));
        }
        draft.finish()
    }

    fn bookkeeping(&self, _: &Migration) -> Bookkeeping {
        Bookkeeping::default()
    }

    fn expects_down(&self, migration: &Migration) -> bool {
        migration.up.path.ends_with(".up.sql")
    }

    fn is_deep(&self) -> bool {
        true
    }

    /// Whoever runs them.
    fn reach(&self, setting: &str) -> Reach {
        let _ = setting;
        Reach::Unsure
    }

    /// Whoever runs the files decides.
    fn conduct(&self) -> Conduct {
        Conduct { late: Late::Unknown, edited: Heed::Ignores, deleted: Heed::Ignores, renamed: Heed::Ignores }
    }
}

impl Plain {
    /// Sorts by number, then name; says where a number is there twice or sorting by name would give another order.
    fn by_number(&self, draft: &mut Draft<'_>, order: &mut [(&str, &str)]) {
        let name = |file: &str| file.rsplit('/').next().map(str::to_owned);
        let folder = |file: &str| file.rsplit_once('/').map(|(folder, _)| folder.to_owned());
        order.sort_by_cached_key(|(base, file)| (number(base).map(|(_, n)| n), *file));
        for pair in order.windows(2) {
            let [(first, first_file), (second, file)] = [pair[0], pair[1]];
            let (a, b) = (number(first), number(second));
            if let (Some((digits, a)), Some((_, b))) = (a, b) {
                if a == b {
                    draft.same_number(digits, first_file, file);
                } else if name(file) < name(first_file) && folder(file) == folder(first_file) {
                    let message = format!("by number this runs after {first_file}, by name before it");
                    let finding = Finding::new("history.lexical-order", Severity::Warning, message);
                    draft.find(finding.help("pad the numbers to the same width"), file);
                }
            }
        }
    }
}

/// The files that may be migrations: the set's own, or, where none of those has a number, those of its releases.
fn own(tree: &Tree) -> impl Iterator<Item = &str> {
    let flat = tree.files.keys().any(|f| !f.contains('/') && stem(f).is_some_and(|s| number(s).is_some()));
    tree.files.keys().map(String::as_str).filter(move |file| match file.rsplit_once('/') {
        None => true,
        Some((folders, _)) => !flat && folders.split('/').all(is_release),
    })
}

/// Programs with a number that no SQL file has: steps between the others.
fn programs<'a>(own: &BTreeSet<&'a str>, steps: &[(&str, &str)]) -> Vec<(&'a str, &'a str)> {
    let taken: BTreeSet<_> = steps.iter().filter_map(|(base, _)| number(base).map(|(_, values)| values)).collect();
    let program = |&file: &&'a str| {
        let stem = file.rsplit_once('.').filter(|_| is_program(file))?.0;
        let base = stem.strip_suffix(".up").unwrap_or(stem);
        let (_, values) = number(base).filter(|_| !stem.ends_with(".down"))?;
        (!taken.contains(&values)).then_some((base, file))
    };
    own.iter().filter_map(program).collect()
}

/// Whether a folder is named by nothing but a version: `7`, `v1.2`, `2024-05`.
pub(super) fn is_release(folder: &str) -> bool {
    number(folder).is_some_and(|(digits, _)| digits.len() == folder.len())
}

/// Names of databases between a migration's name and its direction.
const DIALECTS: &[&str] =
    &["mysql", "mariadb", "sqlite", "sqlite3", "cockroach", "cockroachdb", "postgres", "postgresql", "pg"];

/// `base` without the names of databases; none where the file is another database's, or PostgreSQL has one of its own.
fn of_postgres<'a>(base: &'a str, stem: &str, stems: &BTreeSet<&str>) -> Option<&'a str> {
    let base = base.strip_suffix(".autocommit").unwrap_or(base);
    let plain = |stem: &str| stem.strip_suffix(".up").or_else(|| stem.strip_suffix(".down")).map_or(0, str::len);
    let end = &stem[if plain(stem) == 0 { stem.len() } else { plain(stem) }..];
    match base.rsplit_once('.').filter(|(_, dialect)| DIALECTS.contains(dialect)) {
        Some((own, "postgres" | "postgresql" | "pg")) => Some(own),
        Some(_) => None,
        None => {
            let own = ["postgres", "postgresql", "pg", "postgres.autocommit"];
            (!own.iter().any(|dialect| stems.contains(format!("{base}.{dialect}{end}").as_str()))).then_some(base)
        }
    }
}

/// Whether a folder's files are there for several databases.
pub(super) fn has_dialects(tree: &Tree) -> bool {
    let named = |file: &String| {
        let stem = file.strip_suffix(".up.sql").or_else(|| file.strip_suffix(".down.sql"))?;
        let stem = stem.strip_suffix(".autocommit").unwrap_or(stem);
        stem.rsplit_once('.').map(|(_, dialect)| DIALECTS.contains(&dialect))
    };
    tree.files.keys().filter(|file| !file.contains('/')).any(|file| named(file) == Some(true))
}

/// The path of an SQL file without `.sql`.
fn stem(file: &str) -> Option<&str> {
    let at = file.len().checked_sub(4)?;
    let extension = file.get(at..)?;
    let hidden = file.rsplit('/').next().is_some_and(|name| name.starts_with('.'));
    (extension.eq_ignore_ascii_case(".sql") && at > 0 && !hidden && !file[..at].ends_with('/')).then(|| &file[..at])
}

/// The leading number, with those of the folders: its characters and its values. `001-2fa` is 1, `2024-05-01_x` is 2024, 5,
/// 1, and `3/01_x` is 3, 1.
fn number(stem: &str) -> Option<(&str, Vec<u128>)> {
    let Some((folders, name)) = stem.rsplit_once('/') else { return leading(stem) };
    let mut values = Vec::new();
    for folder in folders.split('/') {
        values.extend(leading(folder)?.1);
    }
    let (digits, own) = leading(name)?;
    values.extend(own);
    Some((&stem[..folders.len() + 1 + digits.len()], values))
}

fn leading(stem: &str) -> Option<(&str, Vec<u128>)> {
    let start = usize::from(stem.starts_with(['v', 'V']));
    let bytes = stem.as_bytes();
    let run = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut end = start + run(start);
    let mut values = vec![stem.get(start..end)?.parse().ok()?];
    while matches!(bytes.get(end), Some(b'-' | b'.')) {
        let more = run(end + 1);
        let after = bytes.get(end + 1 + more);
        if more == 0 || after.is_some_and(u8::is_ascii_alphabetic) {
            break;
        }
        values.push(stem[end + 1..end + 1 + more].parse().ok()?);
        end += 1 + more;
    }
    Some((&stem[..end], values))
}

/// `x.down`, always; `x_down` and `x-down` only beside their up, since a word of a name may be `down`.
fn direction<'a>(stem: &'a str, stems: &BTreeSet<&str>) -> (&'a str, Direction) {
    for (suffix, direction) in [(".up", Direction::Up), (".down", Direction::Down)] {
        if let Some(base) = stem.strip_suffix(suffix) {
            return (base, direction);
        }
    }
    for mark in ['_', '-'] {
        if let Some(base) = stem.strip_suffix("up").and_then(|b| b.strip_suffix(mark))
            && stems.contains(format!("{base}{mark}down").as_str())
        {
            return (base, Direction::Up);
        }
        if let Some(base) = stem.strip_suffix("down").and_then(|b| b.strip_suffix(mark))
            && (stems.contains(base) || stems.contains(format!("{base}{mark}up").as_str()))
        {
            return (base, Direction::Down);
        }
    }
    (stem, Direction::Up)
}

pub(super) fn mode(text: &str) -> Mode {
    if text.starts_with("-- no-transaction") { Mode::PerStatement } else { Mode::Wrapped }
}

/// Cuts a file at its `-- up` and `-- down` lines, if it has a `-- down` line.
pub(super) fn directions(source: Source) -> (Source, Option<Source>) {
    let text = &source.text;
    if !text.lines().any(|line| marker(line) == Some(Direction::Down)) {
        return (source, None);
    }
    let markers: Vec<(Range<usize>, Direction)> = split(text)
        .comments
        .into_iter()
        .filter(|c| text[..c.start].ends_with('\n') || c.start == 0)
        .filter_map(|c| marker(&text[c.clone()]).map(|direction| (c, direction)))
        .collect();
    let Some(down_at) = markers.iter().position(|(_, d)| *d == Direction::Down) else { return (source, None) };
    let end_of = |at: usize| markers.get(at + 1).map_or(text.len(), |(next, _)| next.start);
    let up = match markers.iter().position(|(_, d)| *d == Direction::Up) {
        Some(up) => markers[up].0.end..end_of(up),
        None => 0..markers[down_at].0.start,
    };
    let down = markers[down_at].0.end..end_of(down_at);
    let down = Source { body: down, ..source.clone() };
    (Source { body: up, ..source }, Some(down))
}

/// `-- up`, `-- +down`, `-- migrate:up`, `-- Down Migration`, `--- UP ---`.
fn marker(line: &str) -> Option<Direction> {
    let words = line.trim().strip_prefix("--")?.trim_matches(|c: char| "-+=#:@ \t".contains(c)).to_ascii_lowercase();
    match words.trim_end_matches(" migration").trim_start_matches("migrate:").trim_start_matches("migrate ") {
        "up" => Some(Direction::Up),
        "down" => Some(Direction::Down),
        _ => None,
    }
}
