//! Finds every migration set of a repository from the list of its files.
//!
//! A layout's own marks (folders, markers, journals) decide alone; file names decide only in a folder that is named for
//! migrations, and what lies around the set (`Cargo.toml`, `go.mod`) tells apart layouts that look the same.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use super::folders::{self, Elsewhere, foreign_word, is_checking, is_named};
use super::{File, Given, LAYOUTS, Layout, Tree, flyway, surest};

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
    /// The layout whose platform the set's database belongs to, where that is not its own.
    pub platform: Option<&'static dyn Layout>,
    /// What the repository's own files state of the runner: values of placeholders, settings.
    pub given: Given,
    /// Whether nothing but names speaks for the layout: neither the files' own marks nor what lies around them.
    pub is_guess: bool,
}

/// A folder that looks like a set and was not taken for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// The folder, relative to the repository.
    pub path: String,
    /// What it would be a set of.
    pub layout: &'static str,
    /// Why it is none.
    pub why: String,
}

impl Found {
    /// A set in one folder, of a layout that is sure.
    pub(super) fn of(path: String, layout: &'static dyn Layout) -> Found {
        Found {
            path,
            layout,
            rival: None,
            locations: Vec::new(),
            platform: None,
            given: Given::default(),
            is_guess: false,
        }
    }

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
    survey(paths, read).0
}

/// The same, and what looks like a set and was passed over.
pub fn survey(paths: &[String], read: Read<'_>) -> (Vec<Found>, Vec<Passed>) {
    let repository = Repository::new(paths, read);
    let mut found: Vec<Found> = Vec::new();
    let mut passed: Vec<Passed> = Vec::new();
    for folder in repository.candidates() {
        if found.iter().any(|f| f.path.is_empty() || is_inside(folder, &f.path)) {
            continue;
        }
        let looked = repository.look(folder, false);
        match best(folder, looked.scores) {
            Some(set) => found.push(Found { platform: repository.platform(&set), ..set }),
            None => passed.extend(looked.passed),
        }
    }
    let mut sets = joined(found);
    passed.extend(super::locations::apply(&mut sets, &repository.paths, read));
    passed.extend(super::locations::told_in_programs(&mut sets, &repository.paths, read));
    passed.extend(super::aside::pass_over(&mut sets, &|folder| repository.names_in(folder)));
    passed.sort_by(|a, b| a.path.cmp(&b.path));
    (sets, passed)
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
    let release = |path| Found { is_guess: true, ..Found::of(path, &super::plain::Plain) };
    sets.extend(releases.into_keys().map(release));
    sets.sort_by(|a, b| a.path.cmp(&b.path));
    sets
}

/// Layouts that go by numbered names alone.
const NUMBERED: &[&str] = &["plain", "golang-migrate", "sqlx"];

/// Layouts whose files may lie in any folder below the set's.
const SCATTERED: &[&str] = &["flyway", "refinery"];

/// Whether such files are one set: some of them lie in the folder itself, or they lie where the runner looks by itself, and
/// no version is there twice.
fn is_together(layout: &dyn Layout, tree: &Tree, home: bool) -> bool {
    let own = tree.files.iter().filter(|(path, _)| !path.contains('/'));
    let own = Tree { files: own.map(|(path, file)| (path.clone(), file.clone())).collect() };
    layout.recognise(&own) > 0 || (home && flyway::is_one(tree.files.keys().map(String::as_str)))
}

/// The layout of the set in the folder `root`, told by its files and by what lies around it.
pub fn recognise_at(root: &str, paths: &[String], read: Read<'_>) -> Option<Found> {
    let root = root.trim_end_matches('/');
    let root = if root == "." { "" } else { root };
    best(root, Repository::new(paths, read).look(root, true).scores)
}

/// What speaks for a layout.
struct Score {
    layout: &'static dyn Layout,
    score: u32,
    /// Whether something other than the files' names does.
    traced: bool,
}

/// What a folder may be.
#[derive(Default)]
struct Looked {
    scores: Vec<Score>,
    /// What it would be, if something did not speak against it.
    passed: Option<Passed>,
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
    Some(Found { rival, is_guess: !sure, ..Found::of(folder.to_owned(), layout) })
}

/// So many versions that are there twice are no slip.
const MANY: usize = 3;

/// What it is worth to lie where a runner's own scaffolding puts its sets: more than files that are named alike.
const HOME: u32 = 30;

/// What a program in the runner's language is worth, where the files' names are two runners' (refinery's and Flyway's).
const LANGUAGE: u32 = 10;

/// From this score on a file's own marks decide.
const MARKED: u32 = 70;

/// From this score on they are no other runner's.
const CERTAIN: u32 = 90;

/// From this score on a layout's marks or its file names decide, whatever the folder's name.
const CONVENTION: u8 = 58;

struct Repository<'a> {
    paths: BTreeSet<&'a str>,
    read: Read<'a>,
    texts: RefCell<BTreeMap<String, Arc<str>>>,
    manifests: OnceCell<BTreeSet<&'a str>>,
}

impl<'a> Repository<'a> {
    fn new(paths: &'a [String], read: Read<'a>) -> Self {
        let ours = |path: &&str| {
            !path.split('/').any(folders::is_vendored)
                && !path.contains("src/test/resources/")
                && !path.contains("src/test/java/")
        };
        let paths = paths.iter().map(String::as_str).filter(ours).collect();
        Repository { paths, read, texts: RefCell::default(), manifests: OnceCell::new() }
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
        folders.retain(|folder| !self.is_elsewhere(folder));
        folders
    }

    /// Whether a folder, or one above it, is named for another database. A name that means other things too counts where a
    /// folder beside it is named for a database as well.
    fn is_elsewhere(&self, folder: &str) -> bool {
        let ends = folder.match_indices('/').map(|(at, _)| at).chain([folder.len()]);
        ends.map(|end| split(&folder[..end])).any(|(around, name)| match folders::other_database(name) {
            Elsewhere::Yes => true,
            Elsewhere::Perhaps => self.folders_in(around).any(|other| {
                other != name && (folders::is_postgres(other) || folders::other_database(other) != Elsewhere::No)
            }),
            Elsewhere::No => false,
        })
    }

    /// The names of the folders in a folder, some more than once.
    fn folders_in(&self, around: &str) -> impl Iterator<Item = &'a str> {
        let prefix = if around.is_empty() { String::new() } else { format!("{around}/") };
        let start = prefix.clone();
        let inside = self.paths.range::<str, _>((Bound::Included(start.as_str()), Bound::Unbounded));
        let inside: Vec<&'a str> = inside.map_while(|path| path.strip_prefix(&prefix)).collect();
        inside.into_iter().filter_map(|rest| rest.split_once('/')).map(|(name, _)| name)
    }

    /// The names of the SQL files in a folder itself.
    fn names_in(&self, folder: &str) -> BTreeSet<&'a str> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let inside = self.paths.range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded));
        let names = inside.map_while(|path| path.strip_prefix(&prefix));
        names.filter(|name| !name.contains('/') && name.ends_with(".sql")).collect()
    }

    /// Whether the repository has programs in the one language that the layout's runner is for.
    fn has_language(&self, layout: &dyn Layout) -> bool {
        layout.manifests().iter().any(|name| self.manifests().contains(name))
    }

    /// Whether the repository is written in a language that the layout's runner is no program or library of.
    fn is_foreign(&self, layout: &dyn Layout) -> bool {
        !layout.manifests().is_empty() && !self.has_language(layout) && !self.manifests().is_empty()
    }

    /// The kinds of manifests that the repository has.
    fn manifests(&self) -> &BTreeSet<&'a str> {
        let all = || self.paths.iter().map(|path| split(path).1).filter(|name| MANIFESTS.contains(name)).collect();
        self.manifests.get_or_init(all)
    }

    /// Whether these are the tests of an extension: `sql/a.sql`, and beside it `expected/a.out`.
    fn is_regression_test(&self, folder: &str, tree: &Tree) -> bool {
        let (around, name) = split(folder);
        let expected = |file: &str| {
            let stem = file.strip_suffix(".sql").filter(|stem| !stem.contains('/'));
            let output = |stem: &str| [around, "expected", &format!("{stem}.out")].join("/");
            stem.is_some_and(|stem| self.paths.contains(output(stem).trim_start_matches('/')))
        };
        name == "sql" && tree.files.keys().any(|file| expected(file))
    }

    /// The platform that the set's database is one of, where its layout is another: Drizzle's or Prisma's set in a Supabase
    /// project starts with what every such project has.
    fn platform(&self, set: &Found) -> Option<&'static dyn Layout> {
        let mut platforms = LAYOUTS.iter().copied().filter(|layout| layout.before().is_some());
        platforms.find(|platform| {
            let home =
                platform.homes().iter().any(|home| ancestor_ending_in(&set.path, home) == Some(set.path.as_str()));
            let refers = || {
                let tree = self.tree(&set.path);
                let texts = tree.files.values().filter_map(|file| file.bytes.as_deref());
                texts.map(String::from_utf8_lossy).any(|text| platform.is_referred_to(&text))
            };
            platform.name() != set.layout.name()
                && (home || (matches!(self.trace(&set.path, *platform), Trace::Found { .. }) && refers()))
        })
    }

    /// Every layout's score for `folder`; `stated` folders need no name that speaks of migrations.
    fn look(&self, folder: &str, stated: bool) -> Looked {
        let tree = self.tree(folder);
        if !stated && self.is_regression_test(folder, &tree) {
            return Looked::default();
        }
        let foreign = tree.files.values().filter_map(|f| f.bytes.as_deref()).find_map(foreign_word);
        let checking = is_checking(folder);
        let (mut traced, mut elsewhere) = (false, false);
        let (mut scores, mut doubts) = (Vec::new(), Vec::new());
        for &layout in LAYOUTS {
            let score = layout.recognise(&tree);
            let named = stated || score >= CONVENTION || is_named(folder, &tree);
            if score == 0 || !named {
                continue;
            }
            let home = layout.homes().iter().any(|home| ancestor_ending_in(folder, home) == Some(folder));
            if !stated && SCATTERED.contains(&layout.name()) && !is_together(layout, &tree, home) {
                continue;
            }
            let trace = self.trace(folder, layout);
            if matches!(trace, Trace::None) && self.is_foreign(layout) {
                continue;
            }
            if !stated && checking && score < CONVENTION {
                doubts.push((layout, u32::from(score), "a test has it".to_owned()));
                continue;
            }
            if let Some(word) = foreign.filter(|_| !stated) {
                if let Trace::Found { bonus, postgres: true } = trace {
                    let word = word.trim().trim_end_matches(',').to_uppercase();
                    let why = format!("it says {word}, which is another database's");
                    doubts.push((layout, u32::from(score) + bonus, why));
                }
                continue;
            }
            traced |= matches!(trace, Trace::Found { .. });
            elsewhere |= matches!(trace, Trace::Elsewhere);
            let bonus = match trace {
                Trace::Elsewhere if !stated => continue,
                Trace::Elsewhere | Trace::None => 0,
                Trace::Found { bonus, .. } => bonus,
            };
            // Its runner would refuse the folder: it is another's, whose versions are whole names.
            let duplicates = super::draft::duplicates(layout, &tree);
            if duplicates >= MANY || (bonus == 0 && duplicates > 0) {
                continue;
            }
            // Names that two runners have: the program's language tells, and not for certain.
            let twins = (MARKED..CERTAIN).contains(&u32::from(score)) && self.has_language(layout);
            let language = if twins { LANGUAGE } else { 0 };
            let score = u32::from(score) + bonus + language + if home { HOME } else { 0 };
            scores.push(Score { layout, score, traced: bonus > 0 || home || (score >= MARKED && !twins) });
        }
        // The runner that these files fit is used here with another database: they are no other runner's either.
        if elsewhere && !traced && !stated {
            scores.clear();
        }
        let surest = doubts.into_iter().max_by_key(|(_, score, _)| *score);
        let passed = surest.map(|(layout, _, why)| Passed { path: folder.to_owned(), layout: layout.name(), why });
        Looked { scores, passed }
    }

    /// The set's files, a few of them read.
    fn tree(&self, folder: &str) -> Tree {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let range = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        let inside = || self.paths.range::<str, _>(range).map_while(|p| p.strip_prefix(prefix.as_str()));
        let own: Vec<&str> = inside().filter(|f| f.ends_with(".sql") && !f.contains('/')).collect();
        // What is sent to other databases says nothing of what is sent to PostgreSQL.
        let own = super::plain::for_postgres(&own);
        let sent: BTreeSet<&str> = own.iter().copied().collect();
        let all: Vec<&str> =
            inside().filter(|f| f.ends_with(".sql") && (f.contains('/') || sent.contains(f))).collect();
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
                        let postgres = POSTGRES.iter().any(|p| text.contains(p));
                        let other = !postgres && NOT_POSTGRES.iter().any(|p| text.contains(p));
                        let found = Trace::Found { bonus: 40 - distance, postgres };
                        return if other { Trace::Elsewhere } else { found };
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
        if used { Trace::Found { bonus: 10, postgres: false } } else { Trace::None }
    }

    fn text(&self, path: String) -> Arc<str> {
        let mut texts = self.texts.borrow_mut();
        let read = || Arc::from(String::from_utf8_lossy(&(self.read)(&path).unwrap_or_default()));
        texts.entry(path.clone()).or_insert_with(read).clone()
    }
}

/// What says in which languages a repository's programs are written.
const MANIFESTS: &[&str] = &[
    "Cargo.toml",
    "go.mod",
    "package.json",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "pyproject.toml",
    "requirements.txt",
    "setup.py",
    "mix.exs",
    "Gemfile",
    "composer.json",
];

/// Drivers and features that speak of PostgreSQL.
const POSTGRES: &[&str] = &["postgres", "PostgreSQL", "pgx", "lib/pq", "psycopg", "asyncpg"];
/// Those that speak of another database.
const NOT_POSTGRES: &[&str] = &["mysql", "sqlite", "MySQL", "SQLite"];

/// What the files around a set say of a layout.
enum Trace {
    None,
    /// The runner is used; more is nearer. Whether it is said there that it is used with PostgreSQL.
    Found {
        bonus: u32,
        postgres: bool,
    },
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
