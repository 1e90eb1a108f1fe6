//! sqlx: `N_name.sql`, or `N_name.up.sql` with `N_name.down.sql`; ordered as 64-bit integers.
//!
//! Each file is one simple query in a transaction that also records it; a file that starts with `-- no-transaction` is
//! sent bare. A file `word_rest.sql` whose word is no number makes sqlx refuse the whole folder.

use sha2::{Digest, Sha384};

use super::draft::{Direction, Draft, Pairs, hex, literal};
use super::plain::{has_dialects, has_transactions};
use super::{Bookkeeping, Chain, Conduct, Heed, Late, Layout, Migration, Mode, Tree};
use crate::sql::Kind;

/// See the module.
pub(super) struct Sqlx;

impl Layout for Sqlx {
    fn name(&self) -> &'static str {
        "sqlx"
    }

    fn recognise(&self, tree: &Tree) -> u8 {
        if has_dialects(tree) || has_transactions(tree) {
            return 0;
        }
        let sql = || tree.files.keys().filter(|f| f.ends_with(".sql") && !f.contains('/'));
        let versions: Vec<_> = sql().filter_map(|f| parse(f).map(|p| (f, p.digits))).collect();
        let others = sql().count() - versions.len();
        if versions.is_empty() || others * 4 > versions.len() {
            return 0;
        }
        let marked = tree.files.values().filter_map(|f| f.bytes.as_deref()).any(|b| b.starts_with(MARKER.as_bytes()));
        // sqlx would wrap it in a transaction, which the server refuses.
        let bare = tree.files.values().filter_map(|f| f.bytes.as_deref()).any(is_refused_in_a_transaction);
        let stamped = versions.iter().all(|(_, d)| d.len() == 14);
        let reversible = versions.iter().filter(|(f, _)| f.ends_with(".up.sql") || f.ends_with(".down.sql")).count();
        match (reversible > 0, stamped) {
            _ if marked => 70,
            (true, _) if bare => 56,
            (true, _) if reversible < versions.len() => 64,
            (true, true) => 62,
            (true, false) => 58,
            (false, true) => 35,
            (false, false) => 25,
        }
    }

    fn plan(&self, root: &str, tree: &Tree) -> Chain {
        let mut draft = Draft::new(root, tree, self.name());
        let mut pairs = Pairs::new();
        for file in tree.files.keys() {
            let Some((head, rest)) = file.split_once('_').filter(|(_, r)| r.ends_with(".sql") && !file.contains('/'))
            else {
                draft.ignored(file, "<version>_<name>.sql");
                continue;
            };
            let Ok(version) = head.parse::<i64>() else {
                draft.unknown(file);
                let message = format!("sqlx refuses the folder: `{head}` is no integer version");
                draft.refused(file, message);
                continue;
            };
            let (direction, suffix) = match rest {
                r if r.ends_with(".up.sql") => (Direction::Up, ".up.sql"),
                r if r.ends_with(".down.sql") => (Direction::Down, ".down.sql"),
                _ => (Direction::Up, ".sql"),
            };
            let name = rest.trim_end_matches(suffix);
            pairs.add(&mut draft, version, version.to_string(), name, direction, file);
        }
        pairs.push_all(&mut draft, |text| if text.starts_with(MARKER) { Mode::Simple } else { Mode::Wrapped });
        draft.finish()
    }

    fn bookkeeping(&self, migration: &Migration) -> Bookkeeping {
        let version = &migration.version;
        let checksum = hex(&Sha384::digest(migration.up.text.as_bytes()));
        let description = literal(&migration.name.replace('_', " "));
        Bookkeeping {
            setup: vec![SETUP.to_owned()],
            applied: vec![format!(
                "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES ({version}, {description}, TRUE, '\\x{checksum}', -1)"
            )],
            reverted: vec![format!("DELETE FROM _sqlx_migrations WHERE version = {version}")],
        }
    }

    fn outside(&self) -> &'static str {
        "put it in a file of its own whose first line is `-- no-transaction`"
    }

    /// `Migrator::run` goes through all files and runs what is not recorded, whatever came after it; before that it stops at a
    /// recorded version without a file (`VersionMissing`) and at another checksum (`VersionMismatch`). Up to 0.4 a late one
    /// was `VersionMissing` as well.
    fn conduct(&self) -> Conduct {
        Conduct { late: Late::Runs, edited: Heed::Refuses, deleted: Heed::Refuses, renamed: Heed::Ignores }
    }

    fn expects_down(&self, migration: &Migration) -> bool {
        migration.up.path.ends_with(".up.sql")
    }

    fn manifests(&self) -> &'static [&'static str] {
        &["Cargo.toml"]
    }

    fn traces(&self) -> &'static [(&'static str, &'static str)] {
        &[("Cargo.toml", "sqlx"), ("sqlx.toml", ""), ("sqlx-data.json", ""), (".sqlx/", "")]
    }
}

fn is_refused_in_a_transaction(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    crate::sql::split(&text).statements.iter().any(|s| matches!(s.kind, Kind::NoTransaction | Kind::Database))
}

const MARKER: &str = "-- no-transaction";

const SETUP: &str = "CREATE TABLE IF NOT EXISTS _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMPTZ NOT NULL DEFAULT now(),
    success BOOLEAN NOT NULL,
    checksum BYTEA NOT NULL,
    execution_time BIGINT NOT NULL
)";

struct Parsed<'a> {
    digits: &'a str,
}

fn parse(file: &str) -> Option<Parsed<'_>> {
    let (digits, rest) = file.split_once('_')?;
    (rest.ends_with(".sql") && digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<i64>().is_ok())
        .then_some(Parsed { digits })
}
