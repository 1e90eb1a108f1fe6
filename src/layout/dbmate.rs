//! dbmate: `N….sql` with `-- migrate:up` and `-- migrate:down`; ordered by file name, recorded by its digits.
//!
//! Each section is one simple query, in a transaction unless its marker says `transaction:false`.

use std::ops::Range;

use super::draft::{Draft, literal};
use super::marked::{Refusal, lines};
use super::{Bookkeeping, Chain, Conduct, Heed, Late, Layout, Migration, Mode, Source, Tree};

/// See the module.
pub(super) struct Dbmate;

impl Layout for Dbmate {
    fn name(&self) -> &'static str {
        "dbmate"
    }

    fn recognise(&self, tree: &Tree) -> u8 {
        let marked = |bytes: &[u8]| {
            String::from_utf8_lossy(bytes).lines().any(|l| marker(l).is_some_and(|(section, _)| section == Section::Up))
        };
        let own = tree.files.iter().filter(|(f, _)| version(f).is_some());
        if own.filter_map(|(_, f)| f.bytes.as_deref()).any(marked) { 95 } else { 0 }
    }

    fn plan(&self, root: &str, tree: &Tree) -> Chain {
        let mut draft = Draft::new(root, tree, self.name());
        let mut taken: std::collections::BTreeMap<&str, &str> = Default::default();
        for file in tree.files.keys() {
            let Some(version) = version(file) else {
                draft.ignored(file, "<version>_<name>.sql");
                continue;
            };
            if let Some(first) = taken.insert(version, file) {
                draft.duplicate(version, first, file);
                taken.insert(version, first);
                continue;
            }
            let (up, down) = directions(&mut draft, file);
            let name = file[version.len()..].trim_end_matches(".sql").trim_start_matches(['_', '-']);
            draft.push(file, version.to_owned(), name, up, down);
        }
        draft.finish()
    }

    fn bookkeeping(&self, migration: &Migration) -> Bookkeeping {
        let version = literal(&migration.version);
        Bookkeeping {
            setup: vec!["create table if not exists public.schema_migrations (version varchar primary key)".to_owned()],
            applied: vec![format!("insert into public.schema_migrations (version) values ({version})")],
            reverted: vec![format!("delete from public.schema_migrations where version = {version}")],
        }
    }

    /// `up` runs whatever is not recorded, in order of version; only with `--strict` it refuses a late one.
    fn conduct(&self) -> Conduct {
        Conduct { late: Late::Runs, edited: Heed::Ignores, deleted: Heed::Ignores, renamed: Heed::Ignores }
    }

    fn homes(&self) -> &'static [&'static str] {
        &["db/migrations"]
    }
}

/// `^(\d+).*\.sql$`
fn version(file: &str) -> Option<&str> {
    let digits = &file[..file.find(|c: char| !c.is_ascii_digit())?];
    (!digits.is_empty() && file.ends_with(".sql") && !file.contains('/')).then_some(digits)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Up,
    Down,
}

/// The section that a line opens, and whether it asks for a transaction.
fn marker(line: &str) -> Option<(Section, bool)> {
    let word = line.strip_prefix("--")?.trim_start();
    let (section, options) = match word.strip_prefix("migrate:up") {
        Some(rest) => (Section::Up, rest),
        None => (Section::Down, word.strip_prefix("migrate:down")?),
    };
    let known = options.is_empty() || options.starts_with(char::is_whitespace);
    known.then(|| (section, !options.split_whitespace().any(|option| option == "transaction:false")))
}

fn directions(draft: &mut Draft<'_>, file: &str) -> (Option<Source>, Option<Source>) {
    let Some(text) = draft.text(file) else { return (None, None) };
    match parse(&text) {
        Ok((up, down)) => {
            let path = draft.path(file);
            let make = |(body, transaction): (Range<usize>, bool)| {
                let mode = if transaction { Mode::Wrapped } else { Mode::Simple };
                Source { path: path.clone(), text: text.clone(), body, mode, pieces: None }
            };
            (Some(make(up)), Some(make(down)))
        }
        Err(refusal) => {
            draft.malformed(file, &text, refusal);
            (None, None)
        }
    }
}

type Part = (Range<usize>, bool);

fn parse(text: &str) -> Result<(Part, Part), Refusal> {
    let refuse = |at: Range<usize>, why: &str| Err((at, format!("dbmate refuses this file: {why}")));
    let mut markers = lines(text).filter_map(|(range, line)| marker(line).map(|(section, tx)| (range, section, tx)));
    let Some((first, section, up_tx)) = markers.next() else { return refuse(0..0, "it has no `-- migrate:up`") };
    if section == Section::Down {
        return refuse(first, "`-- migrate:down` stands before `-- migrate:up`");
    }
    let before = lines(&text[..first.start]).find(|(_, l)| !l.trim().is_empty() && !l.trim_start().starts_with("--"));
    if let Some((range, _)) = before {
        return refuse(range, "a statement stands before `-- migrate:up`");
    }
    let Some((down, section, down_tx)) = markers.next() else {
        return refuse(text.len()..text.len(), "it has no `-- migrate:down`");
    };
    if section == Section::Up {
        return refuse(down, "a second `-- migrate:up` without a `-- migrate:down` before it");
    }
    match markers.next() {
        // Each section is run and recorded on its own, and the second record of one version fails.
        Some((again, _, _)) => refuse(again, "more than one pair of sections"),
        None => Ok(((first.start..down.start, up_tx), (down.start..text.len(), down_tx))),
    }
}
