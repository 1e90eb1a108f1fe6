//! Finds every migration set of a repository from the list of its files.
//!
//! A layout's own marks (folders, markers, journals) decide alone; file names decide only in a folder that is named for
//! migrations, and what lies around the set (`Cargo.toml`, `go.mod`) tells apart layouts that look the same.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use super::{File, LAYOUTS, Layout, Tree, surest};

/// A migration set that was found.
#[derive(Clone)]
pub struct Found {
    /// The folder, relative to the repository; empty for its top.
    pub path: String,
    /// Its layout.
    pub layout: &'static dyn Layout,
    /// Another runner that names its files alike, where nothing in the repository tells which of the two it is.
    pub rival: Option<&'static dyn Layout>,
    /// Further folders of the same set.
    pub locations: Vec<String>,
}

impl Found {
    /// What to say where the choice is a guess.
    pub fn doubt(&self) -> Option<String> {
        let (taken, rival) = (self.layout.name(), self.rival?.name());
        let set = if self.path.is_empty() { "." } else { &self.path };
        Some(format!("{set} is taken for a set of {taken}'s; nothing in the repository tells it from one of {rival}'s"))
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.path, self.layout.name())
    }
}

/// Reads a file by its path relative to the repository; none when it cannot.
type Read<'a> = &'a dyn Fn(&str) -> Option<Vec<u8>>;

/// The migration sets among `paths` (files relative to the repository, with `/`), in order of their folders. Vendored
/// folders, test data and other databases' sets are left out.
pub fn discover(paths: &[String], read: Read<'_>) -> Vec<Found> {
    let repository = Repository::new(paths, read);
    let mut found: Vec<Found> = Vec::new();
    for folder in repository.candidates() {
        if found.iter().any(|f| f.path.is_empty() || is_inside(folder, &f.path)) {
            continue;
        }
        found.extend(best(folder, repository.scores(folder, false)));
    }
    let mut sets = joined(found);
    super::locations::apply(&mut sets, &repository.paths, read);
    sets
}

/// From so many on, neighbours that are named by versions are the releases of one set.
const RELEASES: usize = 3;

/// `0/01_a.sql`, `1/01_b.sql`, `2/01_c.sql`: one folder for each release is one chain, not as many.
fn joined(found: Vec<Found>) -> Vec<Found> {
    let release = |set: &Found| {
        let (parent, name) = split(&set.path);
        (super::plain::is_release(name) && NUMBERED.contains(&set.layout.name())).then(|| parent.to_owned())
    };
    let mut releases: BTreeMap<String, usize> = BTreeMap::new();
    for parent in found.iter().filter_map(release) {
        *releases.entry(parent).or_default() += 1;
    }
    releases.retain(|_, count| *count >= RELEASES);
    let mut sets: Vec<Found> =
        found.into_iter().filter(|set| release(set).is_none_or(|parent| !releases.contains_key(&parent))).collect();
    sets.extend(releases.into_keys().map(|path| Found {
        path,
        layout: &super::plain::Plain,
        rival: None,
        locations: Vec::new(),
    }));
    sets.sort_by(|a, b| a.path.cmp(&b.path));
    sets
}

/// Layouts that go by numbered names alone.
const NUMBERED: &[&str] = &["plain", "golang-migrate", "sqlx"];

/// The layout of the set in the folder `root`, told by its files and by what lies around it.
pub fn recognise_at(root: &str, paths: &[String], read: Read<'_>) -> Option<Found> {
    let root = root.trim_end_matches('/');
    let root = if root == "." { "" } else { root };
    best(root, Repository::new(paths, read).scores(root, true))
}

/// What speaks for a layout.
struct Score {
    layout: &'static dyn Layout,
    score: u32,
    /// Whether something other than the files' names does.
    traced: bool,
}

/// So close are two layouts when a guess decides.
const CLOSE: u32 = 7;

fn best(folder: &str, scores: Vec<Score>) -> Option<Found> {
    let (layout, score) = surest(scores.iter().map(|s| (s.layout, s.score)))?;
    let is_best = |s: &&Score| s.layout.name() == layout.name();
    let sure = scores.iter().find(is_best).is_some_and(|s| s.traced);
    // A folder of numbered files with nothing else about it is `plain` to whoever names no runner.
    let close = |s: &&Score| !is_best(s) && s.score + CLOSE > score && layout.name() != "plain";
    let rival = if sure { None } else { scores.iter().filter(close).max_by_key(|s| s.score).map(|s| s.layout) };
    Some(Found { path: folder.to_owned(), layout, rival, locations: Vec::new() })
}

/// Folders that hold other people's files.
const VENDORED: &[&str] = &[
    "node_modules",
    "vendor",
    "target",
    ".git",
    "third_party",
    "dist",
    "site-packages",
    ".venv",
    "venv",
    "testdata",
    "fixtures",
    "__fixtures__",
    "__tests__",
];

/// Whether a folder of this name holds other people's files, in which no set is looked for.
pub fn is_vendored(name: &str) -> bool {
    VENDORED.contains(&name)
}

/// Folders named for databases that are not PostgreSQL.
const OTHER_DATABASES: &[&str] = &[
    "mysql",
    "mariadb",
    "sqlite",
    "sqlite3",
    "clickhouse",
    "mssql",
    "sqlserver",
    "oracle",
    "cassandra",
    "spanner",
    "cockroach",
    "cockroachdb",
    "mongodb",
    "snowflake",
    "bigquery",
    "duckdb",
    "d1",
    "h2",
    "hsqldb",
    "hsql",
    "derby",
    "db2",
    "tidb",
    "libsql",
    "turso",
];

/// Those of them that are one word among others in a folder's name: `migrations_sqlite`, `jdbc-h2`.
const OTHER_DATABASE_WORDS: &[&str] = &[
    "mysql",
    "mariadb",
    "sqlite",
    "sqlite3",
    "clickhouse",
    "mssql",
    "sqlserver",
    "cassandra",
    "mongodb",
    "duckdb",
    "h2",
    "hsqldb",
];

/// Folders whose numbered files prepare or check something, and are run by no runner of migrations.
const CHECKING: &[&str] = &["test", "tests", "testing", "e2e", "seed", "seeds", "fixture", "queries"];

/// What no PostgreSQL migration says, in lower case.
const OTHER_WORDS: &[&str] = &[
    "autoincrement",
    "auto_increment",
    "engine=innodb",
    "engine = innodb",
    "mergetree",
    "strftime(",
    "strftime (",
    " blob,",
    " blob not null",
    " datetime,",
    " datetime not null",
];

/// So many versions that are there twice are no slip.
const MANY: usize = 3;

/// From this score on a file's own marks decide.
const MARKED: u32 = 70;

/// From this score on a layout's marks or its file names decide, whatever the folder's name.
const CONVENTION: u8 = 58;

struct Repository<'a> {
    paths: BTreeSet<&'a str>,
    read: Read<'a>,
    texts: RefCell<BTreeMap<String, Arc<str>>>,
}

impl<'a> Repository<'a> {
    fn new(paths: &'a [String], read: Read<'a>) -> Self {
        let ours = |path: &&str| {
            !path.split('/').any(|part| VENDORED.contains(&part))
                && !path.contains("src/test/resources/")
                && !path.contains("src/test/java/")
        };
        let paths = paths.iter().map(String::as_str).filter(ours).collect();
        Repository { paths, read, texts: RefCell::default() }
    }

    /// Folders that may be sets, parents before what is inside of them.
    fn candidates(&self) -> BTreeSet<&'a str> {
        let mut folders = BTreeSet::new();
        for &path in &self.paths {
            let (folder, name) = split(path);
            match name {
                "up.sql" | "migration.sql" | "_journal.json" if !folder.is_empty() => {
                    folders.insert(split(folder).0);
                }
                _ if name.ends_with(".sql") => {
                    folders.insert(folder);
                    let deep = LAYOUTS.iter().filter(|l| l.is_deep()).flat_map(|l| l.homes());
                    folders.extend(deep.filter_map(|home| ancestor_ending_in(folder, home)));
                }
                _ => {}
            }
        }
        folders.retain(|folder| !folder.split('/').any(is_of_other_database));
        folders
    }

    /// Every layout's score for `folder`; `stated` folders need no name that speaks of migrations.
    fn scores(&self, folder: &str, stated: bool) -> Vec<Score> {
        let tree = self.tree(folder);
        let foreign = tree.files.values().filter_map(|f| f.bytes.as_deref()).any(is_foreign);
        let checking = folder.split('/').any(|part| CHECKING.contains(&part.to_ascii_lowercase().as_str()));
        let (mut traced, mut elsewhere) = (false, false);
        let mut scores = Vec::new();
        for &layout in LAYOUTS {
            let score = layout.recognise(&tree);
            let named = stated || score >= CONVENTION || is_named(folder, &tree);
            if score == 0 || !named || (foreign && !stated) || (checking && score < CONVENTION && !stated) {
                continue;
            }
            let home = layout.homes().iter().any(|home| ancestor_ending_in(folder, home) == Some(folder));
            let trace = self.trace(folder, layout);
            traced |= matches!(trace, Trace::Found(_));
            elsewhere |= matches!(trace, Trace::Elsewhere);
            let bonus = match trace {
                Trace::Elsewhere if !stated => continue,
                Trace::Elsewhere | Trace::None => 0,
                Trace::Found(bonus) => bonus,
            };
            // Its runner would refuse the folder: it is another's, whose versions are whole names.
            let duplicates = super::draft::duplicates(layout, &tree);
            if duplicates >= MANY || (bonus == 0 && duplicates > 0) {
                continue;
            }
            let score = u32::from(score) + bonus + if home { 10 } else { 0 };
            scores.push(Score { layout, score, traced: bonus > 0 || home || score >= MARKED });
        }
        // The runner that these files fit is used here with another database: they are no other runner's either.
        if elsewhere && !traced && !stated {
            scores.clear();
        }
        scores
    }

    /// The set's files, a few of them read.
    fn tree(&self, folder: &str) -> Tree {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let range = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        let inside = || self.paths.range::<str, _>(range).map_while(|p| p.strip_prefix(prefix.as_str()));
        let own: Vec<&str> = inside().filter(|f| f.ends_with(".sql") && !f.contains('/')).collect();
        let all: Vec<&str> = inside().filter(|f| f.ends_with(".sql")).collect();
        let sample = |of: &[&'a str]| {
            [of.first(), of.get(1), of.get(2), of.get(of.len() / 2), of.last()].map(Option::<&&str>::copied)
        };
        let sampled: BTreeSet<&str> = sample(&own).into_iter().chain(sample(&all)).flatten().collect();
        let files = inside().map(|file| {
            // Drizzle's snapshot names the database that the file beside it is for.
            let beside = |folder| sampled.contains(format!("{folder}migration.sql").as_str());
            let wanted = sampled.contains(file)
                || matches!(file, "meta/_journal.json" | "migration_lock.toml")
                || file.strip_suffix("snapshot.json").is_some_and(beside);
            let bytes = if wanted { (self.read)(&format!("{prefix}{file}")).map(Arc::from) } else { None };
            (file.to_owned(), File { id: String::new(), bytes, size: 0, is_link: false })
        });
        Tree { files: files.collect() }
    }

    /// Looks for the layout's traces, from the set's folder upwards.
    fn trace(&self, folder: &str, layout: &dyn Layout) -> Trace {
        let mut above = Some(folder);
        let mut distance = 0;
        while let Some(at) = above {
            for (name, word) in layout.traces() {
                let path = if at.is_empty() { (*name).to_owned() } else { format!("{at}/{name}") };
                // Of a folder, its first file speaks.
                let first = || {
                    self.paths
                        .range::<str, _>((Bound::Included(path.as_str()), Bound::Unbounded))
                        .next()
                        .filter(|p| p.starts_with(&path))
                };
                let path = if name.ends_with('/') { first().map_or(path, |p| (*p).to_owned()) } else { path };
                if self.paths.contains(path.as_str()) {
                    let text = self.text(path);
                    if text.contains(word) {
                        let other =
                            !POSTGRES.iter().any(|p| text.contains(p)) && NOT_POSTGRES.iter().any(|p| text.contains(p));
                        return if other { Trace::Elsewhere } else { Trace::Found(40 - distance) };
                    }
                }
            }
            above = (!at.is_empty()).then(|| split(at).0);
            distance = (distance + 1).min(20);
        }
        // A workspace's root may name nothing that its members use: what lies beside the set speaks for it too.
        let around = split(folder).0;
        let beside = |p: &&&str| around.is_empty() || is_inside(p, around);
        let named = |p: &&&str| layout.traces().iter().any(|(name, _)| split(p).1 == *name);
        let anywhere = self.paths.iter().filter(beside).filter(named).take(64);
        let used = anywhere.map(|p| (split(p).1, self.text((*p).to_owned()))).any(|(name, text)| {
            layout.traces().iter().any(|(n, word)| *n == name && !word.is_empty() && text.contains(word))
        });
        if used { Trace::Found(10) } else { Trace::None }
    }

    fn text(&self, path: String) -> Arc<str> {
        let mut texts = self.texts.borrow_mut();
        let read = || Arc::from(String::from_utf8_lossy(&(self.read)(&path).unwrap_or_default()));
        texts.entry(path.clone()).or_insert_with(read).clone()
    }
}

/// Drivers and features that speak of PostgreSQL.
const POSTGRES: &[&str] = &["postgres", "PostgreSQL", "pgx", "lib/pq", "psycopg", "asyncpg"];
/// Those that speak of another database.
const NOT_POSTGRES: &[&str] = &["mysql", "sqlite", "MySQL", "SQLite"];

/// What the files around a set say of a layout.
enum Trace {
    None,
    /// The runner is used; more is nearer.
    Found(u32),
    /// The runner is used, with another database.
    Elsewhere,
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn is_inside(folder: &str, set: &str) -> bool {
    folder.strip_prefix(set).is_some_and(|rest| rest.starts_with('/'))
}

/// The part of `folder` that ends in `home`, whole components only.
fn ancestor_ending_in<'f>(folder: &'f str, home: &str) -> Option<&'f str> {
    let mut ends = folder.match_indices(home).map(|(at, _)| (at, at + home.len()));
    let whole = |&(start, end): &(usize, usize)| {
        (start == 0 || folder[..start].ends_with('/')) && (end == folder.len() || folder[end..].starts_with('/'))
    };
    ends.find(whole).map(|(_, end)| &folder[..end])
}

/// Whether the folder's name, or that of the folder around it, promises migrations.
fn is_named(folder: &str, tree: &Tree) -> bool {
    let mut parts = folder.rsplit('/').map(str::to_ascii_lowercase);
    let (last, parent) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if last.contains("migrat") || parent.contains("migrat") {
        return true;
    }
    // `db/001_init.sql`, `db/002_users.sql`: every file has a number.
    let numbered = |name: &str| name.starts_with(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'v', 'V']);
    let own = || tree.files.keys().filter(|f| f.ends_with(".sql") && !f.contains('/'));
    matches!(last.as_str(), "db" | "database" | "sql" | "upgrades" | "changesets" | "patches")
        && own().all(|f| numbered(f))
        && own().count() > 1
}

/// Whether a folder's name says that what is in it is for another database.
pub(super) fn is_of_other_database(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words = || name.split(['-', '_', '.', ' ']);
    let other = || words().any(|word| OTHER_DATABASE_WORDS.contains(&word));
    OTHER_DATABASES.contains(&name.as_str())
        || (other() && !words().any(|word| word.starts_with("postgres") || word == "pg"))
}

fn is_foreign(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(64 << 10)]).to_ascii_lowercase();
    // MySQL's way of altering a column, which PostgreSQL does not know.
    let altered = |line: &str| line.trim_start().starts_with("alter table") && line.contains(" modify ");
    OTHER_WORDS.iter().any(|word| text.contains(word)) || text.lines().any(altered)
}
