//! No runner of its own: a folder of SQL files. Up only, `name.up.sql` with `name.down.sql`, or one file with `-- up` and
//! `-- down`, or with tern's `---- create above / drop below ----`.
//!
//! Ordered by their leading number where all have one (`7`, `0042`, `1.2.3`, `2024-05-01`), else by name. Where the folder
//! itself has no numbered file, those of its numbered folders (one for each release) count, in the folders' order, or each
//! folder is a migration (`7-name/up.sql` with `down.sql`, as Hasura has them). Each runs
//! in one transaction, or statement by statement when the file starts with `-- no-transaction` or says
//! `---- tern: disable-tx ----`. Nothing is recorded. Of a file that is there for several databases (`7_a.mysql.up.sql`,
//! `7_a.postgres.up.sql`), PostgreSQL's counts, and where it has none, the one without a name. Where files are named for a transaction (go-pg's `7_a.tx.up.sql`), the others
//! are sent without one. postgrator's (`7.do.a.sql`, `7.undo.a.sql`) are sent whole, as one query. What psql keeps to itself in
//! a file that is made for it is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::draft::{Direction, Draft, is_program};
use super::{Bookkeeping, Chain, Conduct, Heed, Late, Layout, Migration, Mode, Reach, Source, Tree};
use super::{psql, shared};
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
        let of_tern = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().any(|line| line == TERN);
        if versioned > 0 && tree.files.values().filter_map(|file| file.bytes.as_deref()).any(of_tern) {
            return 75;
        }
        if versioned == stems.len() && has_transactions(tree) {
            return 70;
        }
        if versioned > 0 && has_actions(tree) {
            return 72;
        }
        // Less than Diesel, which has such folders too, and is passed over where nothing is written in Rust.
        if !has_numbers(tree) && has_steps(tree) {
            return 60;
        }
        if versioned > 0 && versioned * 2 > stems.len() { 30 } else { 0 }
    }

    fn plan(&self, root: &str, tree: &Tree) -> Chain {
        let put_in = shared::put_in(tree);
        let tree = put_in.as_ref().map_or(tree, |(tree, _)| tree);
        let mut draft = Draft::new(root, tree, self.name()).loads_copy();
        let own: BTreeSet<&str> = own(tree).collect();
        let stems: BTreeSet<&str> = own.iter().filter_map(|f| stem(f)).collect();
        let dialects = has_dialects(tree);
        let actions = has_actions(tree);
        let ours = ours(&stems, dialects);
        let mut ups: BTreeMap<&str, &str> = BTreeMap::new();
        let mut downs: BTreeMap<&str, &str> = BTreeMap::new();
        for file in tree.files.keys() {
            let Some(stem) = stem(file).filter(|_| own.contains(file.as_str())) else {
                draft.unknown(file);
                continue;
            };
            let read = if actions {
                action(stem).map(|(base, direction, _)| (base, direction))
            } else {
                let (base, direction) = direction(stem, &stems);
                of_postgres(base, stem, &ours, dialects).map(|base| (base, direction))
            };
            let Some((base, direction)) = read else {
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
        // A file for one database and the reverse for all of them may have different names.
        let is_pair =
            |up: &str, down: &str| up == down || (dialects && version(up).is_some_and(|v| Some(v) == version(down)));
        for (base, file) in &downs {
            if !order.iter().any(|(up, _)| is_pair(up, base)) {
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
        let transactions = has_transactions(tree);
        for (base, file) in order {
            // Pop's mark for a file without a transaction, and go-pg's for one with it.
            let bare = |file: &str| actions || file.contains(".autocommit.") || (transactions && !is_transaction(file));
            let mode = |file: &str, text: &str| if bare(file) { Mode::Simple } else { mode(text) };
            let text = if is_program(file) { None } else { draft.source(file, |text| mode(file, text)) };
            let (up, inner) = match text.map(directions) {
                Some((up, down)) => (Some(up), down),
                None => (None, None),
            };
            let down =
                downs.get(base).or_else(|| downs.iter().find(|(down, _)| is_pair(base, down)).map(|(_, file)| file));
            let outer = down.and_then(|down| draft.source(down, |text| mode(down, text)));
            let unread = down.is_some() && outer.is_none();
            let digits = number(base).map_or(base, |(digits, _)| digits);
            let name = base[digits.len().min(base.len())..].trim_start_matches(['_', '-', '.', ' ']);
            let name = if number(base).is_some() { name } else { base };
            let name = if transactions { name.strip_suffix(".tx").unwrap_or(name) } else { name };
            let described = if actions { stem(file).and_then(action) } else { None };
            let name = described.map_or(name, |(_, _, description)| description);
            // The runner that takes two of one number goes by whole names.
            let version = if taken.insert(digits) { digits } else { base };
            draft.push(file, version.to_owned(), name, up, outer.or(inner));
            if unread {
                draft.down_is_unread();
            }
        }
        let mut chain = psql::leave_out(draft.finish());
        if let Some((_, inserts)) = &put_in {
            let draft = Draft::new(root, tree, self.name());
            shared::note(&mut chain, inserts, |file| draft.path(file));
        }
        chain
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

    /// postgrator keeps the highest version, and runs those above it.
    fn late(&self, migration: &Migration) -> Late {
        let file = migration.up.path.rsplit('/').next().unwrap_or(&migration.up.path);
        if stem(file).and_then(action).is_some() { Late::Skips } else { self.conduct().late }
    }

    fn outside(&self) -> &'static str {
        "put it in a file of its own that starts with `-- no-transaction`, if its runner knows such files"
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
    let flat = has_numbers(tree);
    let steps = !flat && has_steps(tree);
    tree.files.keys().map(String::as_str).filter(move |file| match file.rsplit_once('/') {
        None => true,
        Some(_) if steps => is_step(file),
        Some((folders, _)) => !flat && folders.split('/').all(is_release),
    })
}

/// Whether the folder itself has numbered files.
fn has_numbers(tree: &Tree) -> bool {
    tree.files.keys().any(|f| !f.contains('/') && stem(f).is_some_and(|s| number(s).is_some()))
}

/// Whether each folder is a migration.
fn has_steps(tree: &Tree) -> bool {
    tree.files.keys().any(|file| file.ends_with("/up.sql") && is_step(file))
}

/// `7-name/up.sql`, or a program in its place.
fn is_step(file: &str) -> bool {
    let Some((folder, name)) = file.split_once('/') else { return false };
    let direction =
        name.strip_suffix(".sql").or_else(|| name.rsplit_once('.').filter(|_| is_program(name)).map(|(stem, _)| stem));
    leading(folder).is_some() && direction.is_some_and(|direction| matches!(direction, "up" | "down"))
}

/// Programs with a number that no SQL file has: steps between the others.
fn programs<'a>(own: &BTreeSet<&'a str>, steps: &[(&str, &str)]) -> Vec<(&'a str, &'a str)> {
    let taken: BTreeSet<_> = steps.iter().filter_map(|(base, _)| number(base).map(|(_, values)| values)).collect();
    let program = |&file: &&'a str| {
        let stem = file.rsplit_once('.').filter(|_| is_program(file))?.0;
        let (base, direction) = match action(stem) {
            Some((base, direction, _)) => (base, direction),
            None => direction(stem, &BTreeSet::new()),
        };
        let (_, values) = number(base).filter(|_| direction == Direction::Up)?;
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
    &["mysql", "mariadb", "sqlite", "sqlite3", "cockroach", "cockroachdb", "crdb", "postgres", "postgresql", "pg"];

/// `base` without the mark for no transaction, and the name of its database, if there is one.
fn dialect(base: &str) -> (&str, Option<&str>) {
    let base = base.strip_suffix(".autocommit").unwrap_or(base);
    match base.rsplit_once('.').filter(|(_, dialect)| DIALECTS.contains(dialect)) {
        Some((own, dialect)) => (own, Some(dialect)),
        None => (base, None),
    }
}

/// The version of a base, as its runner reads it: all that stands before the first `_`.
fn version(base: &str) -> Option<&str> {
    base.split_once('_').map(|(version, _)| version).filter(|v| !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit()))
}

/// What a file that has no database's name gives way to: by version where the folder is there for several databases, as pop
/// does, else by name.
fn key(own: &str, dialects: bool) -> &str {
    if dialects { version(own).unwrap_or(own) } else { own }
}

/// The versions or names that PostgreSQL has files of its own for, by direction (`true`: down).
fn ours<'a>(stems: &BTreeSet<&'a str>, dialects: bool) -> BTreeSet<(&'a str, bool)> {
    let own = |stem: &&'a str| {
        let base = stem.strip_suffix(".up").or_else(|| stem.strip_suffix(".down")).unwrap_or(stem);
        let (own, dialect) = dialect(base);
        dialect.is_some_and(is_ours).then(|| (key(own, dialects), stem.ends_with(".down")))
    };
    stems.iter().filter_map(own).collect()
}

fn is_ours(dialect: &str) -> bool {
    matches!(dialect, "postgres" | "postgresql" | "pg")
}

/// `base` without the names of databases; none where the file is another database's, or PostgreSQL has one of its own.
fn of_postgres<'a>(base: &'a str, stem: &str, ours: &BTreeSet<(&str, bool)>, dialects: bool) -> Option<&'a str> {
    match dialect(base) {
        (own, Some(dialect)) => is_ours(dialect).then_some(own),
        (own, None) => (!ours.contains(&(key(own, dialects), stem.ends_with(".down")))).then_some(own),
    }
}

/// The files among those of one folder that a runner may send to PostgreSQL.
pub(super) fn for_postgres<'a>(files: &[&'a str]) -> Vec<&'a str> {
    let dialects = files.iter().any(|file| is_for_one(file) == Some(true));
    let stems: BTreeSet<&str> = files.iter().filter_map(|file| stem(file)).collect();
    let ours = ours(&stems, dialects);
    let sent = |file: &&&'a str| {
        let Some(stem) = stem(file) else { return false };
        let base = stem.strip_suffix(".up").or_else(|| stem.strip_suffix(".down")).unwrap_or(stem);
        of_postgres(base, stem, &ours, dialects).is_some()
    };
    files.iter().filter(sent).copied().collect()
}

/// Whether a file that has a direction is for one database.
fn is_for_one(file: &str) -> Option<bool> {
    let stem = file.strip_suffix(".up.sql").or_else(|| file.strip_suffix(".down.sql"))?;
    Some(dialect(stem).1.is_some())
}

/// Whether a folder's files are there for several databases.
pub(super) fn has_dialects(tree: &Tree) -> bool {
    tree.files.keys().filter(|file| !file.contains('/')).any(|file| is_for_one(file) == Some(true))
}

/// go-pg's mark for a file that runs in a transaction.
fn is_transaction(file: &str) -> bool {
    file.ends_with(".tx.up.sql") || file.ends_with(".tx.down.sql")
}

/// Whether a folder's files say by their names which of them run in a transaction.
pub(super) fn has_transactions(tree: &Tree) -> bool {
    tree.files.keys().filter(|file| !file.contains('/')).any(|file| is_transaction(file))
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

pub(super) fn leading(stem: &str) -> Option<(&str, Vec<u128>)> {
    let start = usize::from(stem.starts_with(['v', 'V']));
    let bytes = stem.as_bytes();
    let run = |from: usize| bytes.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
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
    // A time of day behind a date: `20240131T093000Z`.
    let time = run(end + 1);
    if time >= 4 && bytes[end] == b'T' && stem[..end].chars().filter(char::is_ascii_digit).count() == 8 {
        values.push(stem[end + 1..end + 1 + time].parse().ok()?);
        end += 1 + time;
        end += usize::from(bytes.get(end) == Some(&b'Z'));
    }
    Some((&stem[..end], values))
}

/// `x.down`, always; `x_down` and `x-down` only beside their up, since a word of a name may be `down`.
fn direction<'a>(stem: &'a str, stems: &BTreeSet<&str>) -> (&'a str, Direction) {
    for (suffix, direction) in
        [(".up", Direction::Up), (".down", Direction::Down), ("/up", Direction::Up), ("/down", Direction::Down)]
    {
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

/// postgrator's names, `7.do.create-users` and `7.undo`: the version, the direction and the description.
fn action(stem: &str) -> Option<(&str, Direction, &str)> {
    let name = stem.rsplit('/').next().unwrap_or(stem);
    let (version, rest) = name.split_once('.')?;
    let (action, description) = rest.split_once('.').unwrap_or((rest, ""));
    let direction = match action {
        "do" => Direction::Up,
        "undo" => Direction::Down,
        _ => return None,
    };
    let digits = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit());
    let end = stem.len() - name.len() + version.len();
    digits.then_some((&stem[..end], direction, description))
}

/// Whether the numbered files have postgrator's names.
fn has_actions(tree: &Tree) -> bool {
    let mut numbered = own(tree).filter_map(stem).filter(|stem| number(stem).is_some()).peekable();
    numbered.peek().is_some() && numbered.all(|stem| action(stem).is_some())
}

/// What stands between up and down in tern's files.
const TERN: &str = "---- create above / drop below ----";

/// tern's word for a direction without a transaction.
const TERN_BARE: &str = "---- tern: disable-tx ----";

pub(super) fn mode(text: &str) -> Mode {
    let bare = !text.contains(TERN) && text.lines().any(|line| line == TERN_BARE);
    if bare || text.starts_with("-- no-transaction") { Mode::PerStatement } else { Mode::Wrapped }
}

/// The two directions of one of tern's files; none for any other. One without anything below the line cannot be undone.
fn of_tern(source: &Source) -> Option<(Source, Option<Source>)> {
    let mark = source.text.match_indices(TERN).next()?.0;
    let side = |body: Range<usize>| {
        let bare = source.text[body.clone()].lines().any(|line| line == TERN_BARE);
        let mode = if bare { Mode::PerStatement } else { source.mode };
        Source { body, mode, ..source.clone() }
    };
    let down = mark + TERN.len()..source.text.len();
    let is_empty = source.text[down.clone()].trim().is_empty();
    Some((side(0..mark), (!is_empty).then(|| side(down))))
}

/// Cuts a file at its `-- up` and `-- down` lines, if it has a `-- down` line.
pub(super) fn directions(source: Source) -> (Source, Option<Source>) {
    if let Some(both) = of_tern(&source) {
        return both;
    }
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
