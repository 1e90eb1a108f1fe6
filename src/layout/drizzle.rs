//! Drizzle: `tag.sql` in the order of `meta/_journal.json`; newer ones a folder per migration, ordered by its name.
//!
//! Files are cut at `--> statement-breakpoint`; all pending ones share one transaction. No downs. A database that has a
//! later entry passes over an earlier one for good: entries whose time runs backwards are a finding. Folders are known by
//! their names, so a late one runs.

use std::ops::Range;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::draft::{Draft, hex, literal};
use super::marked::source;
use super::{Bookkeeping, Chain, Conduct, Heed, Late, Layout, Migration, Mode, Source, Tree};
use crate::verdict::{Finding, Severity};

/// See the module.
pub(super) struct Drizzle;

const JOURNAL: &str = "meta/_journal.json";
const BREAKPOINT: &str = "--> statement-breakpoint";

impl Layout for Drizzle {
    fn name(&self) -> &'static str {
        "drizzle"
    }

    fn recognise(&self, tree: &Tree) -> u8 {
        if let Some(file) = tree.files.get(JOURNAL) {
            let journal = file.bytes.as_deref().and_then(|b| serde_json::from_slice::<Journal>(b).ok());
            return match journal {
                Some(j) if j.dialect.is_empty() || j.dialect == "pg" || j.dialect == "postgresql" => 98,
                _ => 0,
            };
        }
        // Each snapshot names its database; one that was not read says nothing.
        let mut is_own = false;
        for file in folders(tree).filter_map(|folder| tree.files.get(&format!("{folder}/snapshot.json"))) {
            let text = file.bytes.as_deref();
            let snapshot = text.and_then(|text| serde_json::from_slice::<Snapshot>(text).ok()).unwrap_or_default();
            if !matches!(snapshot.dialect.as_str(), "" | "postgres" | "postgresql") {
                return 0;
            }
            is_own = true;
        }
        if is_own { 97 } else { 0 }
    }

    fn plan(&self, root: &str, tree: &Tree) -> Chain {
        let mut draft = Draft::new(root, tree, self.name());
        let entries = match tree.files.contains_key(JOURNAL) {
            true => journal(&mut draft),
            false => folders(tree)
                .map(|f| Entry { tag: f.to_owned(), when: None, file: format!("{f}/migration.sql") })
                .collect(),
        };
        let known: std::collections::BTreeSet<&str> = entries.iter().map(|e| e.file.as_str()).collect();
        for file in tree.files.keys().filter(|f| !known.contains(f.as_str())) {
            draft.unknown(file);
            if file.ends_with(".sql") && !file.contains('/') && file.as_str() != JOURNAL {
                let message = "drizzle does not run this file: meta/_journal.json does not name it";
                draft.find(Finding::new("history.naming", Severity::Warning, message), file);
            }
        }
        let mut latest = i64::MIN;
        for entry in &entries {
            if !tree.files.contains_key(&entry.file) {
                draft.refused(&entry.file, "drizzle refuses the set: meta/_journal.json names this file");
            }
            let when = entry.when.unwrap_or(latest);
            if when < latest {
                let message = "its time in meta/_journal.json is before that of the entry above: databases that have that \
                               one pass over this one";
                draft.find(Finding::new("history.out-of-order", Severity::Warning, message), &entry.file);
            }
            latest = latest.max(when);
            let up = cut(&mut draft, &entry.file);
            let name = entry.tag.split_once('_').map_or("", |(_, name)| name);
            draft.push(&entry.file, entry.tag.clone(), name, up, None);
            if let Some(last) = draft.last() {
                last.stamp = entry.when;
            }
        }
        draft.finish()
    }

    fn bookkeeping(&self, migration: &Migration) -> Bookkeeping {
        let hash = hash(migration);
        let Some(when) = migration.stamp else { return of_folders(migration, &hash) };
        Bookkeeping {
            setup: vec![
                "CREATE SCHEMA IF NOT EXISTS \"drizzle\"".to_owned(),
                "CREATE TABLE IF NOT EXISTS \"drizzle\".\"__drizzle_migrations\" \
                 (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at bigint)"
                    .to_owned(),
            ],
            applied: vec![format!(
                "INSERT INTO \"drizzle\".\"__drizzle_migrations\" (\"hash\", \"created_at\") \
                 VALUES ('{hash}', {when})"
            )],
            reverted: vec![format!("DELETE FROM \"drizzle\".\"__drizzle_migrations\" WHERE hash = '{hash}'")],
        }
    }

    fn outside(&self) -> &'static str {
        "Drizzle runs all that is pending in one, so that no migration can have it: run it by hand, or write it without \
         CONCURRENTLY where the table is small"
    }

    /// With a journal, `migrate` compares each entry's time with that of the newest record alone: what is not later never
    /// runs. Hashes are written and not read.
    fn conduct(&self) -> Conduct {
        Conduct { late: Late::Skips, edited: Heed::Ignores, deleted: Heed::Ignores, renamed: Heed::Ignores }
    }

    fn is_one_transaction(&self) -> bool {
        true
    }

    /// Without a journal it goes by the folders' names: what is not recorded runs, wherever it stands.
    fn late(&self, migration: &Migration) -> Late {
        if migration.stamp.is_some() { self.conduct().late } else { Late::Runs }
    }

    /// The first run of drizzle-orm 1.0 gives what a journal's versions have recorded the names of folders, by their times and
    /// by the hashes of their texts.
    fn carries_over(&self, old: &Migration, new: &Migration) -> bool {
        old.stamp.is_some() && new.stamp.is_none() && hash(old) == hash(new)
    }

    fn has_downs(&self) -> bool {
        false
    }

    fn traces(&self) -> &'static [(&'static str, &'static str)] {
        &[("drizzle.config.ts", ""), ("drizzle.config.js", "")]
    }

    fn is_deep(&self) -> bool {
        true
    }
}

/// What the runner knows a file by.
fn hash(migration: &Migration) -> String {
    hex(&Sha256::digest(migration.up.text.replace("\r\n", "\n").as_bytes()))
}

/// What drizzle-orm 1.0 keeps, which knows folders only: names too, and the time that the folder's name begins with.
fn of_folders(migration: &Migration, hash: &str) -> Bookkeeping {
    let name = literal(&migration.version);
    let when = time_of(&migration.version).unwrap_or_else(|| "NULL".to_owned());
    Bookkeeping {
        setup: vec![
            "CREATE SCHEMA IF NOT EXISTS \"drizzle\"".to_owned(),
            "CREATE TABLE IF NOT EXISTS \"drizzle\".\"__drizzle_migrations\" (id SERIAL PRIMARY KEY, hash text NOT NULL, \
             created_at bigint, name text, applied_at timestamp with time zone DEFAULT now())"
                .to_owned(),
        ],
        applied: vec![format!(
            "INSERT INTO \"drizzle\".\"__drizzle_migrations\" (\"hash\", \"created_at\", \"name\") \
             VALUES ('{hash}', {when}, {name})"
        )],
        reverted: vec![format!("DELETE FROM \"drizzle\".\"__drizzle_migrations\" WHERE name = {name}")],
    }
}

/// The time that a folder's name begins with, as SQL that gives milliseconds. A month or day that is no such runs over into
/// the next one, as it does in the runner.
fn time_of(folder: &str) -> Option<String> {
    let part = |from: usize, to: usize| folder.get(from..to)?.parse::<u32>().ok();
    let (year, month, day) = (part(0, 4).filter(|year| *year > 0)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    Some(format!(
        "(extract(epoch from make_date({year}, 1, 1) + make_interval(months => {month} - 1, days => {day} - 1, \
         hours => {hour}, mins => {minute}, secs => {second})) * 1000)::bigint"
    ))
}

#[derive(Deserialize)]
struct Journal {
    #[serde(default)]
    dialect: String,
    entries: Vec<JournalEntry>,
}

#[derive(Deserialize, Default)]
struct Snapshot {
    #[serde(default)]
    dialect: String,
}

#[derive(Deserialize)]
struct JournalEntry {
    tag: String,
    #[serde(default)]
    when: i64,
}

struct Entry {
    tag: String,
    when: Option<i64>,
    file: String,
}

fn journal(draft: &mut Draft<'_>) -> Vec<Entry> {
    let Some(text) = draft.text(JOURNAL) else { return Vec::new() };
    match serde_json::from_str::<Journal>(&text) {
        Ok(journal) => {
            let entries = journal.entries.into_iter();
            entries.map(|e| Entry { file: format!("{}.sql", e.tag), tag: e.tag, when: Some(e.when) }).collect()
        }
        Err(error) => {
            draft.refused(JOURNAL, format!("drizzle cannot read its journal: {error}"));
            Vec::new()
        }
    }
}

/// Folders with `migration.sql`, which is all that the runner asks for; drizzle-kit writes a `snapshot.json` beside it.
fn folders(tree: &Tree) -> impl Iterator<Item = &str> {
    tree.files.keys().filter_map(|f| f.strip_suffix("/migration.sql")).filter(|d| !d.contains('/'))
}

/// Whether folders of `tree` have drizzle-kit's snapshots, which Prisma has not.
pub(super) fn has_snapshots(tree: &Tree) -> bool {
    folders(tree).any(|folder| tree.files.contains_key(&format!("{folder}/snapshot.json")))
}

/// The pieces between breakpoints.
fn cut(draft: &mut Draft<'_>, file: &str) -> Option<Source> {
    let text = draft.text(file)?;
    let mut pieces: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    for (at, mark) in text.match_indices(BREAKPOINT) {
        pieces.push(start..at);
        start = at + mark.len();
    }
    pieces.push(start..text.len());
    Some(source(&draft.path(file), &text, pieces, Mode::Wrapped))
}
