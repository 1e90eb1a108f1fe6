//! refinery: `V1__name.sql` and `U1__name.sql` (which may run late), in any folder below; ordered as integers.
//!
//! Each file is one batch in a transaction, and its record a second transaction after it. Rust steps end what can be judged.
//! No downs.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use siphasher::sip::SipHasher13;

use super::draft::{Draft, literal};
use super::{APART, Bookkeeping, Chain, Conduct, Heed, Late, Layout, Migration, Mode, Tree};

/// See the module.
pub(super) struct Refinery;

impl Layout for Refinery {
    fn name(&self) -> &'static str {
        "refinery"
    }

    fn recognise(&self, tree: &Tree) -> u8 {
        let steps = tree.files.keys().filter(|f| parse(f).is_some_and(|p| p.sql)).count();
        let strangers = tree.files.keys().filter(|f| f.ends_with(".sql") && parse(f).is_none()).count();
        // Flyway's files look the same: what lies around the set decides.
        if steps > 0 && strangers == 0 { 70 } else { 0 }
    }

    fn plan(&self, root: &str, tree: &Tree) -> Chain {
        let mut draft = Draft::new(root, tree, self.name());
        let mut steps: BTreeMap<i64, (&str, Parsed<'_>)> = BTreeMap::new();
        for file in tree.files.keys() {
            let Some(parsed) = parse(file) else {
                draft.ignored(file, "V<version>__<name>.sql");
                continue;
            };
            let Ok(version) = parsed.version.parse::<i64>() else {
                draft.unknown(file);
                draft.refused(file, format!("refinery refuses the set: `{}` is no integer version", parsed.version));
                continue;
            };
            match steps.get(&version) {
                Some((first, _)) => draft.duplicate(parsed.version, first, file),
                None => {
                    steps.insert(version, (file, parsed));
                }
            }
        }
        for (version, (file, parsed)) in steps {
            let up = if parsed.sql { draft.source(file, |_| Mode::Wrapped) } else { None };
            draft.push(file, version.to_string(), parsed.name, up, None);
        }
        draft.finish()
    }

    fn bookkeeping(&self, migration: &Migration) -> Bookkeeping {
        let (version, name) = (&migration.version, literal(&migration.name));
        let checksum = checksum(migration);
        Bookkeeping {
            // `int4` without the feature `int8-versions`; this holds the versions of both.
            setup: vec![
                "CREATE TABLE IF NOT EXISTS refinery_schema_history(version int8 PRIMARY KEY, name VARCHAR(255), \
                 applied_on VARCHAR(255), checksum VARCHAR(255))"
                    .to_owned(),
            ],
            applied: vec![
                APART.to_owned(),
                format!(
                    "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES ({version}, {name}, \
                     to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), '{checksum}')"
                ),
            ],
            reverted: vec![format!("DELETE FROM refinery_schema_history WHERE version = {version}")],
        }
    }

    fn outside(&self) -> &'static str {
        "refinery runs every file in one, so that no migration can have it: run it by hand, or write it without CONCURRENTLY \
         where the table is small"
    }

    /// By default it aborts on late and missing ones (`abort_missing`), and on another name or checksum (`abort_divergent`);
    /// its command line does so only with `-m` and `-d`, and else skips them and goes on. Files with `U` may run late.
    fn conduct(&self) -> Conduct {
        Conduct { late: Late::Refuses, edited: Heed::Refuses, deleted: Heed::Refuses, renamed: Heed::Refuses }
    }

    fn may_run_late(&self, migration: &Migration) -> bool {
        migration.up.path.rsplit('/').next().is_some_and(|file| file.starts_with('U'))
    }

    fn has_downs(&self) -> bool {
        false
    }

    fn manifests(&self) -> &'static [&'static str] {
        &["Cargo.toml"]
    }

    fn traces(&self) -> &'static [(&'static str, &'static str)] {
        &[("refinery.toml", ""), ("Cargo.toml", "refinery")]
    }

    fn is_deep(&self) -> bool {
        true
    }
}

/// As refinery computes it: the version hashes as `i32` where it fits.
fn checksum(migration: &Migration) -> u64 {
    let mut hasher = SipHasher13::new();
    migration.name.hash(&mut hasher);
    match (migration.version.parse::<i32>(), migration.version.parse::<i64>()) {
        (Ok(small), _) => small.hash(&mut hasher),
        (_, Ok(large)) => large.hash(&mut hasher),
        _ => {}
    }
    migration.up.text.hash(&mut hasher);
    hasher.finish()
}

struct Parsed<'a> {
    version: &'a str,
    name: &'a str,
    sql: bool,
}

/// `^[UV](\d+(\.\d+)?)__(\w+)\.(rs|sql)$`, of the file's own name.
fn parse(path: &str) -> Option<Parsed<'_>> {
    let file = path.rsplit('/').next().unwrap_or(path);
    let (stem, extension) = file.rsplit_once('.')?;
    let (version, name) = stem.strip_prefix(['U', 'V'])?.split_once("__")?;
    let (whole, part) = version.split_once('.').unwrap_or((version, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let word = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    (digits(whole) && digits(part) && word && matches!(extension, "sql" | "rs")).then_some(Parsed {
        version,
        name,
        sql: extension == "sql",
    })
}
