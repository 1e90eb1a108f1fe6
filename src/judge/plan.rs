//! From a repository to what is to be judged: the sets, their chains, what changed. Reads git, runs nothing.

mod cases;
mod contents;
mod listing;
mod own;
mod setup;
mod shared;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use listing::{Listed, Listing, named};
use own::own_findings;
use setup::BUILT_IN;
pub use setup::setup_files;
use shared::{Recent, share_entries, share_migrations};

use super::Error;
use crate::config::{Config, Set};
use crate::layout::{self, Chain, File, Layout, Migration, Tree};
use crate::repo::{BaseCommit, Entry, FolderId, Mark, Repo, Seen};
use crate::scenario;
use crate::verdict::{Base, Change, Finding, Mode, Severity};
use crate::wire::Selection;
use crate::wire::env::OVERRIDES;

/// How many bytes of file contents are kept between judgements.
const KEPT_BYTES: u64 = 24 << 20;
/// How many files on disk are known by their marks.
const KEPT_MARKS: usize = 1 << 14;
/// How many chains are kept between judgements: the staged one, HEAD's and the base's, of a few sets.
const KEPT_CHAINS: usize = 12;
/// How many folders' listings are kept: those of as many chains.
const KEPT_LISTINGS: usize = 12;
/// How many configurations are kept: one for each repository in use.
const KEPT_CONFIGS: usize = 4;
/// The repository's configuration file.
pub const CONFIG_FILE: &str = "migd.toml";

/// Contents and chains kept between judgements, by the names that git gives them.
#[derive(Default)]
pub struct Kept {
    files: Mutex<Files>,
    /// The names of files on disk that have not changed since they were read.
    marks: Mutex<HashMap<PathBuf, (Mark, String)>>,
    chains: Mutex<Recent<blake3::Hash, Arc<Chain>>>,
    listings: Mutex<Recent<FolderId, Arc<Listing>>>,
    configs: Mutex<Recent<blake3::Hash, Config>>,
}

fn locked<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct Files {
    by_id: HashMap<String, File>,
    bytes: u64,
}

/// One set, ready to be judged.
pub struct SetPlan {
    /// The set's name.
    pub name: String,
    /// Its folder, relative to the repository.
    pub root: String,
    /// Its layout.
    pub layout: &'static dyn Layout,
    /// The chain that is judged.
    pub chain: Arc<Chain>,
    /// For each migration of the chain, how it differs from the commit that is compared with.
    pub changes: Vec<Change>,
    /// How many migrations at the start of the chain are as they were.
    pub first: usize,
    /// What production may already have.
    pub base: Base,
    /// Its chain.
    pub base_chain: Arc<Chain>,
    /// The chain of upstream's newest commit, where that is not the base.
    pub upstream_chain: Option<Arc<Chain>>,
    /// Versions that a merge under way brings in, where there is no upstream to tell whose they are.
    pub merged: Vec<String>,
    /// SQL that makes what production has before the first migration.
    pub setup: Vec<layout::Source>,
    /// What is wrong with the set itself.
    pub findings: Vec<Finding>,
    /// The user's own cases, in order of path.
    pub scenarios: Vec<scenario::File>,
    /// Whether they differ from those of the commit that is compared with.
    pub scenarios_changed: bool,
    /// The folder for new ones, relative to the repository.
    pub scenario_folder: String,
}

impl SetPlan {
    /// Whether migration `at` is judged, not only applied.
    pub fn is_judged(&self, at: usize, mode: Mode) -> bool {
        mode == Mode::All || self.changes[at] != Change::Unchanged
    }
}

/// What a request comes to.
pub struct Plan {
    /// The configuration that holds for it.
    pub config: Config,
    /// Which tree is judged.
    pub mode: Mode,
    /// The sets that are concerned; none when the tree changes no set.
    pub sets: Vec<SetPlan>,
    /// How many sets the repository has.
    pub known: usize,
}

/// What is asked for.
pub struct Query<'a> {
    /// Which tree, compared with what.
    pub selection: &'a Selection,
    /// Only the sets of these names; empty: all.
    pub sets: &'a [String],
    /// Leave out sets that the tree does not change.
    pub touched_only: bool,
}

/// The configuration that holds in `repo`: `migd.toml` as it is staged, else as it lies in the work tree.
pub fn configuration(repo: &Repo, staged: bool, overrides: &BTreeMap<String, String>) -> Result<Config, Error> {
    kept_configuration(repo, staged, overrides, &Kept::default())
}

/// The same, not made again when every text that it is made from is what it was.
pub fn kept_configuration(
    repo: &Repo,
    staged: bool,
    overrides: &BTreeMap<String, String>,
    kept: &Kept,
) -> Result<Config, Error> {
    let prefixes = [CONFIG_FILE.to_owned()];
    let mut text = None;
    if staged
        && let Some(entry) =
            repo.staged(&prefixes)?.into_iter().find(|entry| entry.path == CONFIG_FILE && !entry.is_link)
    {
        text = repo.read(&entry.id, 1 << 20)?.bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    }
    if text.is_none() && repo.root().is_some() {
        let read = repo.work_file(CONFIG_FILE).and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other));
        text = match read {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::unreadable(CONFIG_FILE, &error)),
        };
    }
    let path = crate::config::user_file(overrides);
    let user = match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        // None there, or in a folder that is somebody else's.
        Err(_) if path.metadata().is_err() => None,
        Err(error) => return Err(Error::unreadable(&path.display().to_string(), &error)),
    };
    let mut key = blake3::Hasher::new();
    let variables = OVERRIDES.iter().map(|name| overrides.get(*name).map(String::as_str));
    for part in [user.as_deref(), text.as_deref()].into_iter().chain(variables) {
        // With its length, so that no two lists of parts read alike.
        let length = part.map_or(u64::MAX, |part| part.len() as u64);
        key.update(&length.to_le_bytes()).update(part.unwrap_or_default().as_bytes());
    }
    let key = key.finalize();
    if let Some(config) = locked(&kept.configs).get(&key) {
        return Ok(config);
    }
    let config = Config::load(user.as_deref(), text.as_deref(), overrides)?;
    locked(&kept.configs).put(key, config.clone(), KEPT_CONFIGS);
    Ok(config)
}

/// The migration sets of `repo`: the configured ones, else those that are found.
pub fn sets(repo: &Repo, config: &Config) -> Result<Vec<Set>, Error> {
    if !config.migrations.is_empty() {
        return Ok(config.migrations.clone());
    }
    let read = |path: &str| repo.work_file(path).ok();
    let paths = repo.paths()?;
    let found = layout::discover(&paths, &read);
    let set = |found: layout::Found| {
        let doubt = found.doubt();
        // What the platform runs of the project's own comes with it.
        let own = found.platform.unwrap_or(found.layout).globals(&found.path);
        let own = own.into_iter().find(|path| paths.contains(path));
        let platform = found.platform.or_else(|| own.is_some().then_some(found.layout));
        let setup_sql = platform.map(|platform| format!("{BUILT_IN}{}", platform.name()));
        let setup_sql = setup_sql.into_iter().chain(own).map(PathBuf::from).collect();
        let layout = Some(found.layout.name().to_owned());
        let layout::Found { path, locations, given: layout::Given { vars, settings }, .. } = found;
        Set { path, layout, locations, vars, settings, setup_sql, doubt, ..Set::default() }
    };
    Ok(found.into_iter().map(set).collect())
}

/// Which tree `selection` has judged.
pub fn mode(selection: &Selection) -> Mode {
    match selection {
        Selection::Staged | Selection::Base(_) => Mode::Staged,
        Selection::Worktree => Mode::Worktree,
        Selection::All => Mode::All,
    }
}

/// Finds out what is to be judged.
pub fn plan(repo: &Repo, config: Config, kept: &Kept, query: &Query<'_>) -> Result<Plan, Error> {
    let mode = mode(query.selection);
    let all = sets(repo, &config)?;
    let known = all.len();
    for name in query.sets {
        if !all.iter().any(|set| set_name(set) == name) {
            let names: Vec<&str> = all.iter().map(set_name).collect();
            return Err(Error::unknown_set(name, &names));
        }
    }
    let against = match query.selection {
        Selection::Base(rev) => Some(repo.resolve(rev)?),
        _ => repo.head()?,
    };
    let mut base: Option<BaseCommit> = None;
    let mut plans = Vec::new();
    for set in all.iter().filter(|set| query.sets.is_empty() || query.sets.iter().any(|name| name == set_name(set))) {
        let folders = cases::Folders::of(set);
        let folder = Folder { repo, kept, set, root: &set.path, folders: &folders, max: config.limits.file_bytes };
        let now = match mode {
            Mode::Worktree => folder.worktree()?,
            Mode::Staged | Mode::All => folder.staged()?,
        };
        let before = folder.at(against.as_deref())?;
        let stated = !config.migrations.is_empty();
        if stated && now.is_empty() && before.is_empty() && !repo.root().is_some_and(|top| top.join(&set.path).is_dir())
        {
            // A path that is misspelt would never be touched, and nothing ever judged.
            return Err(Error::no_such_folder(&set.path));
        }
        let cases = folder.cases(&now, cases::Tree::of(mode))?;
        let cases_before = folder.cases(&before, cases::Tree::At(against.as_deref()))?;
        let scenarios_changed = !cases::same(&cases, &cases_before);
        if query.touched_only && now.same(&before) && !scenarios_changed {
            continue;
        }
        let from: &BaseCommit = match &base {
            Some(base) => base,
            None => base.insert(repo.base(&config.history.upstream)?),
        };
        let (layout, doubt) = layout_of(set, &now, &before, &folder)?;
        let chain = folder.chain(layout, set, &now)?;
        let old = folder.chain(layout, set, &before)?;
        let base_chain = match &from.rev {
            rev if *rev == against => Arc::clone(&old),
            rev => folder.chain(layout, set, &*folder.at(rev.as_deref())?)?,
        };
        let upstream_chain = match &from.tip {
            tip if tip.is_none() || *tip == from.rev => None,
            tip => Some(folder.chain(layout, set, &*folder.at(tip.as_deref())?)?),
        };
        let mut merged = Vec::new();
        if from.upstream.is_none() {
            for head in repo.merge_heads() {
                let theirs = folder.chain(layout, set, &*folder.at(Some(&head))?)?;
                merged.extend(theirs.migrations.iter().map(|m| m.version.clone()));
            }
        }
        let changes = changes(&chain, &old);
        let is_old = |path: &str| folder.relative(path).is_some_and(|own| now.shares(&before, &own));
        let mut findings = own_findings(&chain, &changes, [&base_chain, &old], &is_old, mode);
        findings.extend(doubt.map(|doubt| {
            Finding::new("config.layout", Severity::Note, doubt)
                .help("state `layout` in the set's section of migd.toml: order and transactions belong to the runner")
        }));
        let same = |at: &usize| old.migrations.get(*at).is_some_and(|old| old.hash == chain.migrations[*at].hash);
        let first = (0..chain.migrations.len()).take_while(same).count();
        plans.push(SetPlan {
            name: set_name(set).to_owned(),
            root: set.path.clone(),
            layout,
            changes,
            first: if mode == Mode::All { 0 } else { first },
            base: Base {
                rev: from.rev.clone(),
                version: base_chain.migrations.last().map(|last| last.version.clone()),
                upstream: from.upstream.clone(),
            },
            findings,
            scenarios: folder.scenarios(&cases)?,
            scenarios_changed,
            scenario_folder: folders.home(layout),
            setup: folder.setup(set, layout)?,
            chain,
            base_chain,
            upstream_chain,
            merged,
        });
    }
    Ok(Plan { config, mode, sets: plans, known })
}

/// The name of a set: its own, else its path.
pub fn set_name(set: &Set) -> &str {
    match &set.name {
        Some(name) => name,
        None if set.path.is_empty() => ".",
        None => &set.path,
    }
}

fn layout_of(
    set: &Set,
    now: &Listing,
    before: &Listing,
    folder: &Folder<'_>,
) -> Result<(&'static dyn Layout, Option<String>), Error> {
    match &set.layout {
        Some(name) => {
            let layout = layout::by_name(name).ok_or_else(|| Error::unknown_layout(name))?;
            Ok((layout, set.doubt.clone()))
        }
        None => {
            let tree = folder.tree(if now.is_empty() { before } else { now })?;
            // What lies around a set tells runners apart that name their files alike.
            let around = |path: &str| folder.repo.work_file(path).ok();
            let found = layout::recognise_at(&set.path, &folder.repo.paths()?, &around);
            let found = found.map(|found| (found.layout, found.doubt()));
            found.or_else(|| Some((layout::recognise(&tree)?, None))).ok_or_else(|| Error::no_layout(&set.path))
        }
    }
}

/// How each migration of `chain` differs from the one of the same version in `old`.
fn changes(chain: &Chain, old: &Chain) -> Vec<Change> {
    let old: HashMap<&str, &Migration> = old.migrations.iter().map(|m| (m.version.as_str(), &**m)).collect();
    let change = |new: &Arc<Migration>| match old.get(new.version.as_str()) {
        None => Change::Added,
        Some(old) if old.hash == new.hash => Change::Unchanged,
        Some(_) => Change::Modified,
    };
    chain.migrations.iter().map(change).collect()
}

/// Whether a file lies in the folder `root`, both relative to the repository.
pub fn is_inside(path: &str, root: &str) -> bool {
    root.is_empty() || path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'))
}

/// Before the paths of files that stand in for steps: none that git knows starts like this.
const REPLACEMENT: &str = "//";

/// One set's folder in one repository.
struct Folder<'a> {
    repo: &'a Repo,
    kept: &'a Kept,
    set: &'a Set,
    root: &'a str,
    folders: &'a cases::Folders,
    max: u64,
}

impl Folder<'_> {
    /// Whether the set is all in one folder.
    fn is_alone(&self) -> bool {
        self.set.replace.is_empty() && self.set.locations.is_empty()
    }

    /// What is read of a tree: the set's folder, and what stands in for steps that are not SQL.
    fn prefixes(&self) -> Vec<String> {
        let replacements = self.set.replace.values().map(|path| path.to_string_lossy().into_owned());
        std::iter::once(self.root.to_owned()).chain(self.set.locations.iter().cloned()).chain(replacements).collect()
    }

    fn staged(&self) -> Result<Arc<Listing>, Error> {
        // What stands in for a step lies elsewhere.
        let folder = if self.is_alone() { self.repo.staged_folder(self.root) } else { None };
        match folder {
            Some(folder) => self.named(&folder, || self.repo.staged(&self.prefixes())),
            None => {
                let entries = self.repo.staged(&self.prefixes())?;
                if let Some(link) = entries.iter().find(|entry| entry.is_link && entry.path == self.root) {
                    return Err(Error::linked_away(self.root, &self.target(link)?));
                }
                let listing = self.listing(entries);
                // The commit that is being prepared asks for it by that name, and waits.
                if self.is_alone()
                    && !listing.has_links()
                    && let Some(folder) = self.repo.staged_folder_to_be(self.root)
                {
                    let mut listings = locked(&self.kept.listings);
                    if listings.get(&folder).is_none() {
                        listings.put(folder, Arc::clone(&listing), KEPT_LISTINGS);
                    }
                }
                Ok(listing)
            }
        }
    }

    fn at(&self, rev: Option<&str>) -> Result<Arc<Listing>, Error> {
        let Some(rev) = rev else { return Ok(self.listing(Vec::new())) };
        let folder = if self.is_alone() { self.repo.folder(rev, self.root) } else { None };
        match folder {
            Some(folder) => self.named(&folder, || self.repo.tree(rev, &self.prefixes())),
            None => Ok(self.listing(self.repo.tree(rev, &self.prefixes())?)),
        }
    }

    /// The files of a folder that git has a name for: what is kept under it never changes.
    fn named(
        &self,
        folder: &FolderId,
        followed: impl FnOnce() -> Result<Vec<Entry>, crate::repo::Error>,
    ) -> Result<Arc<Listing>, Error> {
        if let Some(listing) = locked(&self.kept.listings).get(folder) {
            return Ok(listing);
        }
        let Some(entries) = self.repo.list(folder)? else { return Ok(self.listing(followed()?)) };
        let mut entries: Vec<_> = entries.into_iter().map(Arc::new).collect();
        let mut listings = locked(&self.kept.listings);
        share_entries(&mut entries, listings.newest());
        let listing = Arc::new(Listing::from(Listed::Git(entries)));
        listings.put(folder.clone(), Arc::clone(&listing), KEPT_LISTINGS);
        Ok(listing)
    }

    fn worktree(&self) -> Result<Arc<Listing>, Error> {
        let top = self.repo.root().unwrap_or(self.repo.git_dir());
        let known = |path: &str, mark: &Mark| {
            let marks = locked(&self.kept.marks);
            let (_, id) = marks.get(&top.join(path)).filter(|(kept, _)| kept == mark)?;
            self.kept_file(id)
        };
        let mut tree = Tree::default();
        for (path, seen) in self.repo.worktree_unless(&self.prefixes(), known)? {
            if let Seen::Link(target) = &seen
                && path == self.root
            {
                return Err(Error::linked_away(self.root, &String::from_utf8_lossy(target)));
            }
            let Some(own) = self.relative(&path) else { continue };
            let file = match seen {
                Seen::Known(file) => file,
                Seen::Link(target) => {
                    let link = Entry { path: String::new(), id: self.repo.blob_id(&target)?, is_link: true };
                    let id = named(&link).into_owned();
                    File { id, size: target.len() as u64, bytes: Some(target.into()), is_link: true }
                }
                Seen::Read(bytes, mark) => {
                    let size = bytes.len() as u64;
                    // Named as git would name it, so that an unchanged file is seen to be one.
                    let id = self.repo.blob_id(&bytes)?;
                    let bytes = (size <= self.max).then(|| bytes.into());
                    let file = File { id, bytes, size, is_link: false };
                    if let Some(mark) = mark {
                        self.keep(&file);
                        let mut marks = locked(&self.kept.marks);
                        if marks.len() >= KEPT_MARKS {
                            marks.clear();
                        }
                        marks.insert(top.join(&path), (mark, file.id.clone()));
                    }
                    file
                }
            };
            tree.files.insert(own, file);
        }
        Ok(Arc::new(Listed::Disk(tree).into()))
    }

    fn listing(&self, entries: Vec<Entry>) -> Arc<Listing> {
        let own = entries.into_iter().filter_map(|entry| {
            let path = self.relative(&entry.path)?;
            Some(Arc::new(Entry { path, ..entry }))
        });
        let mut own: Vec<Arc<Entry>> = own.collect();
        own.sort_by(|a, b| a.path.cmp(&b.path));
        own.dedup_by(|a, b| a.path == b.path);
        share_entries(&mut own, locked(&self.kept.listings).newest());
        Arc::new(Listed::Git(own).into())
    }

    /// What a file is called in a listing.
    fn relative(&self, path: &str) -> Option<String> {
        if self.set.replace.values().any(|replacement| replacement.as_os_str() == path) {
            return Some(format!("{REPLACEMENT}{path}"));
        }
        let below = |folder: &str| {
            if folder.is_empty() { Some(path) } else { path.strip_prefix(folder)?.strip_prefix('/') }
        };
        let elsewhere = || self.set.locations.iter().any(|folder| below(folder).is_some());
        // A path of the repository's own, where it is none of the set's folder.
        below(self.root).map(str::to_owned).or_else(|| elsewhere().then(|| format!("/{path}")))
    }

    fn tree(&self, listing: &Listing) -> Result<Tree, Error> {
        let entries = match &listing.files {
            Listed::Disk(tree) => return Ok(tree.clone()),
            Listed::Git(entries) => entries,
        };
        let mut tree = Tree::default();
        for entry in entries {
            let file = self.file(&entry.id)?;
            let id = named(entry).into_owned();
            tree.files.insert(entry.path.clone(), File { id, is_link: entry.is_link, ..file });
        }
        Ok(tree)
    }

    /// Where a link leads.
    fn target(&self, link: &Entry) -> Result<String, Error> {
        let bytes = self.repo.read(&link.id, self.max)?.bytes.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn chain(&self, layout: &'static dyn Layout, set: &Set, listing: &Listing) -> Result<Arc<Chain>, Error> {
        let mut key = blake3::Hasher::new();
        for part in
            [layout.name(), self.root, &format!("{:?} {:?} {:?} {}", set.vars, set.settings, set.replace, self.max)]
        {
            key.update(part.as_bytes()).update(&[0]);
        }
        let parted = self.folders.parted(layout, self.root, listing);
        let listing = parted.as_ref().unwrap_or(listing);
        key.update(listing.names.as_bytes());
        let key = key.finalize();
        if let Some(chain) = locked(&self.kept.chains).get(&key) {
            return Ok(chain);
        }
        let mut tree = self.tree(listing)?;
        let mut replacement = |(step, path): (&String, &PathBuf)| {
            let path = path.to_string_lossy().into_owned();
            let file = tree.files.get(&format!("{REPLACEMENT}{path}")).cloned();
            layout::Replacement { step: step.clone(), path, file }
        };
        let replacements: Vec<_> = set.replace.iter().map(&mut replacement).collect();
        tree.files.retain(|path, _| !path.starts_with(REPLACEMENT));
        let given = layout::Given { vars: set.vars.clone(), settings: set.settings.clone() };
        let mut chain = layout::plan_replaced(layout, self.root, &tree, &given, &replacements);
        let mut chains = locked(&self.kept.chains);
        share_migrations(&mut chain, chains.newest());
        let chain = Arc::new(chain);
        chains.put(key, Arc::clone(&chain), KEPT_CHAINS);
        Ok(chain)
    }
}
