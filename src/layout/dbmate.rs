//! dbmate: `N….sql` with `-- migrate:up` and `-- migrate:down`; ordered by file name, recorded by its digits.
//!
//! Each section is one simple query, in a transaction unless its marker says `transaction:false`. A file may have several
//! pairs of sections (since 2.29): they are sent one after the other, and reverted from the last.

use std::ops::Range;
use std::sync::Arc;

use super::draft::{Draft, literal};
use super::marked::{Refusal, lines, source};
use super::{Bookkeeping, Chain, Conduct, Heed, Late, Layout, Migration, Mode, Source, Tree};
use crate::verdict::Severity;

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

    fn outside(&self) -> &'static str {
        "put it in a file of its own, and `transaction:false` behind its `-- migrate:up` (or `down`)"
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
        Ok(pairs) => {
            let path = draft.path(file);
            let (ups, downs): (Vec<Part>, Vec<Part>) = pairs.into_iter().unzip();
            let [up, down] = [ups, downs.into_iter().rev().collect()].map(|parts| direction(&path, &text, parts));
            for source in [&up, &down] {
                draft.ends_transaction(file, source, Severity::Error);
            }
            (Some(up), Some(down))
        }
        Err(refusal) => {
            draft.malformed(file, &text, refusal);
            (None, None)
        }
    }
}

/// A section's bytes, and whether the runner opens a transaction for it.
type Part = (Range<usize>, bool);

/// One direction: the sections in the order in which the runner sends them.
fn direction(path: &str, text: &Arc<str>, parts: Vec<Part>) -> Source {
    if let [(body, transaction)] = parts.as_slice() {
        let mode = if *transaction { Mode::Wrapped } else { Mode::Simple };
        return Source {
            path: path.to_owned(),
            text: text.clone(),
            body: body.clone(),
            mode,
            pieces: None,
            inserts: None,
        };
    }
    // One without a transaction makes all of them bare queries: a query's implicit transaction is then the section's.
    let mode = if parts.iter().all(|(_, transaction)| *transaction) { Mode::WrappedEach } else { Mode::PerStatement };
    source(path, text, parts.into_iter().map(|(body, _)| body).collect(), mode)
}

/// The pairs of sections: every `migrate:up` begins one, and has a `migrate:down` before the next.
fn parse(text: &str) -> Result<Vec<(Part, Part)>, Refusal> {
    let refuse = |at: Range<usize>, why: &str| Err((at, format!("dbmate refuses this file: {why}")));
    let markers: Vec<_> =
        lines(text).filter_map(|(range, line)| marker(line).map(|(section, tx)| (range, section, tx))).collect();
    let first = match markers.first() {
        None => return refuse(0..0, "it has no `-- migrate:up`"),
        Some((first, Section::Down, _)) => {
            return refuse(first.clone(), "`-- migrate:down` stands before `-- migrate:up`");
        }
        Some((first, Section::Up, _)) => first,
    };
    let before = lines(&text[..first.start]).find(|(_, l)| !l.trim().is_empty() && !l.trim_start().starts_with("--"));
    if let Some((range, _)) = before {
        return refuse(range, "a statement stands before `-- migrate:up`");
    }
    let mut pairs = Vec::new();
    for (at, marks) in markers.chunks(2).enumerate() {
        let end = markers.get(2 * at + 2).map_or(text.len(), |(next, _, _)| next.start);
        match marks {
            [(up, Section::Up, up_tx), (down, Section::Down, down_tx)] => {
                pairs.push(((up.start..down.start, *up_tx), (down.start..end, *down_tx)));
            }
            [(down, Section::Down, _), ..] => {
                return refuse(down.clone(), "a second `-- migrate:down` without a `-- migrate:up` before it");
            }
            [_, (up, Section::Up, _)] => {
                return refuse(up.clone(), "a second `-- migrate:up` without a `-- migrate:down` before it");
            }
            _ => return refuse(text.len()..text.len(), "it has no `-- migrate:down`"),
        }
    }
    Ok(pairs)
}
