//! Diesel: a folder per migration with `up.sql`, maybe `down.sql` and `metadata.toml`; ordered by version as text.
//!
//! The version is the folder's name up to the first `_`, without dashes. Each file is one batch, in a transaction together
//! with its record unless `metadata.toml` says otherwise: with that file there and the key missing, there is none.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::draft::{Draft, literal};
use super::{Bookkeeping, Chain, Conduct, Heed, Late, Layout, Migration, Mode, Reach, Tree};
use crate::sql::is_blank;
use crate::verdict::{Finding, Severity};

/// See the module.
pub(super) struct Diesel;

impl Layout for Diesel {
    fn name(&self) -> &'static str {
        "diesel"
    }

    fn recognise(&self, tree: &Tree) -> u8 {
        let ups = tree.files.keys().filter_map(|f| f.strip_suffix("/up.sql")).filter(|d| !d.contains('/'));
        let (dated, others): (Vec<_>, Vec<_>) = ups.partition(|d| d.starts_with(|c: char| c.is_ascii_digit()));
        if dated.len() > others.len() { 90 } else { 0 }
    }

    fn plan(&self, root: &str, tree: &Tree) -> Chain {
        let mut draft = Draft::new(root, tree, self.name()).refuses_blank();
        let mut folders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for file in tree.files.keys() {
            match file.split_once('/') {
                Some((folder, name)) if !folder.starts_with('.') => folders.entry(folder).or_default().push(name),
                _ => draft.unknown(file),
            }
        }
        let mut steps: BTreeMap<String, &str> = BTreeMap::new();
        for (&folder, names) in &folders {
            for name in names.iter().filter(|n| !matches!(**n, "up.sql" | "down.sql" | "metadata.toml")) {
                draft.unknown(&format!("{folder}/{name}"));
            }
            if !names.contains(&"up.sql") {
                let file = format!("{folder}/{}", names[0]);
                draft.refused(&file, format!("diesel refuses the set: the folder {folder} has no up.sql"));
                if names.contains(&"down.sql") {
                    draft.down_without_up(&format!("{folder}/down.sql"));
                }
                continue;
            }
            let version = folder.split('_').next().unwrap_or(folder).replace('-', "");
            match steps.get(&version) {
                Some(first) => draft.duplicate(&version, &format!("{first}/up.sql"), &format!("{folder}/up.sql")),
                None => {
                    steps.insert(version, folder);
                }
            }
        }
        for (version, folder) in steps {
            let mode = if in_transaction(&mut draft, tree, folder) { Mode::Wrapped } else { Mode::Simple };
            let file = format!("{folder}/up.sql");
            let up = draft.source(&file, |_| mode);
            let down = format!("{folder}/down.sql");
            let is_there = tree.files.contains_key(&down);
            let down = if is_there { draft.source(&down, |_| mode) } else { None };
            let unread = is_there && down.is_none();
            if down.as_ref().is_some_and(|down| is_blank(&down.text)) {
                draft.blank(&format!("{folder}/down.sql"));
            }
            draft.push(&file, version, folder.split_once('_').map_or("", |(_, name)| name), up, down);
            if unread {
                draft.down_is_unread();
            }
        }
        draft.finish()
    }

    fn passes_over_folders(&self) -> bool {
        false
    }

    fn bookkeeping(&self, migration: &Migration) -> Bookkeeping {
        let version = literal(&migration.version);
        Bookkeeping {
            setup: vec![SETUP.to_owned()],
            applied: vec![format!("INSERT INTO __diesel_schema_migrations (version) VALUES ({version})")],
            reverted: vec![format!("DELETE FROM __diesel_schema_migrations WHERE version = {version}")],
        }
    }

    /// One connection. Versions after 2.3 put `search_path` back.
    fn reach(&self, setting: &str) -> Reach {
        if setting == "search_path" { Reach::Unsure } else { Reach::Reaches }
    }

    fn outside(&self) -> &'static str {
        "put it in a migration of its own, with a `metadata.toml` beside its SQL that says `run_in_transaction = false`"
    }

    /// `migration run` runs whatever is not recorded, in order of version. A recorded version without a folder stops only
    /// `revert` and `redo`.
    fn conduct(&self) -> Conduct {
        Conduct { late: Late::Runs, edited: Heed::Ignores, deleted: Heed::Ignores, renamed: Heed::Ignores }
    }

    fn manifests(&self) -> &'static [&'static str] {
        &["Cargo.toml"]
    }

    fn traces(&self) -> &'static [(&'static str, &'static str)] {
        &[("diesel.toml", ""), ("Cargo.toml", "diesel")]
    }

    fn is_deep(&self) -> bool {
        true
    }
}

const SETUP: &str = "CREATE TABLE IF NOT EXISTS __diesel_schema_migrations (
    version VARCHAR(50) PRIMARY KEY NOT NULL,
    run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
)";

/// As Diesel reads it: a missing key is `false`.
#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    run_in_transaction: bool,
}

fn in_transaction(draft: &mut Draft<'_>, tree: &Tree, folder: &str) -> bool {
    let file = format!("{folder}/metadata.toml");
    let Some(bytes) = tree.files.get(&file).and_then(|f| f.bytes.as_deref()) else { return true };
    let read = std::str::from_utf8(bytes).ok().and_then(|text| toml::from_str::<Metadata>(text).ok());
    if read.is_none() {
        let message = "diesel cannot read this file, and runs the migration in a transaction";
        draft.find(Finding::new("apply.format", Severity::Warning, message), &file);
    }
    read.is_none_or(|m| m.run_in_transaction)
}
