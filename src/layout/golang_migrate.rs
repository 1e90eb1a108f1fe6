//! golang-migrate: `N_title.up.EXT` and `N_title.down.EXT`; ordered as unsigned integers.
//!
//! Each file is one simple query outside of any transaction of the runner's, whose table holds one row: where it stands.

use super::draft::{Direction, Draft, Pairs};
use super::plain::{has_dialects, has_transactions};
use super::{Bookkeeping, Chain, Conduct, Heed, Late, Layout, Migration, Mode, Tree};

/// See the module.
pub(super) struct GolangMigrate;

impl Layout for GolangMigrate {
    fn name(&self) -> &'static str {
        "golang-migrate"
    }

    fn recognise(&self, tree: &Tree) -> u8 {
        if has_dialects(tree) || has_transactions(tree) {
            return 0;
        }
        let names: Vec<_> = tree.files.keys().filter(|f| f.ends_with(".sql") && !f.contains('/')).collect();
        let parsed: Vec<_> = names.iter().filter_map(|f| parse(f)).collect();
        if parsed.is_empty() || (names.len() - parsed.len()) * 4 > names.len() {
            return 0;
        }
        // `migrate create -seq` pads to six digits; seconds since 1970 are another of its formats.
        let own = |p: &Parsed<'_>| p.digits.len() == 6 || (p.digits.len() == 10 && p.digits.starts_with('1'));
        match (parsed.len() == names.len(), parsed.iter().all(own)) {
            (true, true) => 65,
            (true, false) => 60,
            (false, _) => 50,
        }
    }

    fn plan(&self, root: &str, tree: &Tree) -> Chain {
        let mut draft = Draft::new(root, tree, self.name());
        let mut pairs = Pairs::new();
        for file in tree.files.keys() {
            match parse(file) {
                Some(p) => pairs.add(&mut draft, p.version, p.version.to_string(), p.title, p.direction, file),
                None => draft.ignored(file, "<version>_<title>.up.sql"),
            }
        }
        pairs.push_all(&mut draft, |_| Mode::Simple);
        draft.finish()
    }

    fn bookkeeping(&self, migration: &Migration) -> Bookkeeping {
        let stand =
            |version: Option<&str>| {
                let mut sql = vec!["TRUNCATE \"public\".\"schema_migrations\"".to_owned()];
                sql.extend(version.map(|v| {
                    format!("INSERT INTO \"public\".\"schema_migrations\" (version, dirty) VALUES ({v}, false)")
                }));
                sql
            };
        Bookkeeping {
            setup: vec![SETUP.to_owned()],
            applied: stand(Some(&migration.version)),
            reverted: stand(migration.previous.as_deref()),
        }
    }

    fn outside(&self) -> &'static str {
        "put it in a file of its own, which golang-migrate sends without one; with other statements beside it there is one"
    }

    /// One version is recorded, the last: `up` goes on behind it and never looks back. Without the file of that one version
    /// it stops (`no migration found for version`); others may go unseen.
    fn conduct(&self) -> Conduct {
        Conduct { late: Late::Skips, edited: Heed::Ignores, deleted: Heed::Ignores, renamed: Heed::Ignores }
    }

    fn traces(&self) -> &'static [(&'static str, &'static str)] {
        &[("go.mod", "golang-migrate/migrate")]
    }
}

const SETUP: &str = "CREATE TABLE IF NOT EXISTS \"public\".\"schema_migrations\" \
                     (version bigint not null primary key, dirty boolean not null)";

struct Parsed<'a> {
    digits: &'a str,
    version: u64,
    title: &'a str,
    direction: Direction,
}

/// `^([0-9]+)_(.*)\.(down|up)\.(.*)$`, greedy: the last `.up.` or `.down.` decides.
fn parse(file: &str) -> Option<Parsed<'_>> {
    let (digits, rest) = file.split_once('_').filter(|_| !file.contains('/'))?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (at, direction) = match (rest.rfind(".up."), rest.rfind(".down.")) {
        (Some(up), down) if down.is_none_or(|d| d < up) => (up, Direction::Up),
        (_, Some(down)) => (down, Direction::Down),
        _ => return None,
    };
    Some(Parsed { digits, version: digits.parse().ok()?, title: &rest[..at], direction })
}
