//! Git: the staged tree, commits, the work tree, the base. Reads only.
//!
//! libgit2 first, because it needs no process; the git program where libgit2 refuses a repository (split and sparse
//! indexes, reftable, SHA-256). Everything follows from what the client sent: the process's own environment belongs to
//! whoever started the daemon, and is never asked.

mod disk;
mod error;
mod library;
mod links;
mod overrides;
mod program;
mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use error::Error;
use library::Library;
use program::Program;

/// How long a file must not have changed for its times to tell its next change: some file systems count in seconds.
const SETTLED: Duration = Duration::from_secs(3);

/// Where a request comes from: everything that decides which repository and which index it means.
#[derive(Debug, Clone, Default)]
pub struct Location {
    /// The client's working folder.
    pub cwd: PathBuf,
    /// Its `GIT_*` variables; others are ignored.
    pub git_env: BTreeMap<String, String>,
}

/// One file of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the repository, with `/`.
    pub path: String,
    /// The object name of its content.
    pub id: String,
    /// Whether it is a symbolic link that leads to no file of the same tree; its content is then where it leads. Others
    /// are followed, and stand for what they lead to.
    pub is_link: bool,
}

/// A folder of some tree, by the name that git gives to all that is in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FolderId(String);

/// One file on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkFile {
    /// Relative to the repository, with `/`.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
    /// Whether it is a symbolic link that leads to no file of the repository; the content is then where it leads.
    pub is_link: bool,
}

/// What tells one state of a file on disk from the next, as git's own index does: another content has another one, but for
/// changes within the clock's resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    /// No program can set this one.
    changed: (i64, i64),
}

impl Mark {
    /// Before the file is read. None when it changed so lately that it may change once more without a trace.
    fn of(meta: &std::fs::Metadata) -> Option<Mark> {
        let changed = UNIX_EPOCH + Duration::new(meta.ctime().try_into().ok()?, 0);
        let settled = SystemTime::now().duration_since(changed).is_ok_and(|age| age > SETTLED);
        settled.then(|| Mark {
            file: (meta.dev(), meta.ino()),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }
}

/// A file on disk that was read, or that need not be.
#[derive(Debug)]
pub enum Seen<T> {
    /// What the caller knows of it.
    Known(T),
    /// Its content, and what tells it from the next; no mark where that cannot be relied on.
    Read(Vec<u8>, Option<Mark>),
    /// A symbolic link that leads to no file of the repository, and where it leads.
    Link(Vec<u8>),
}

/// An object's content.
#[derive(Debug, Clone)]
pub struct Blob {
    /// In bytes.
    pub size: u64,
    /// None when it is larger than was allowed.
    pub bytes: Option<Arc<[u8]>>,
}

/// The commit that production may already have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BaseCommit {
    /// The full object name; none in a repository without commits.
    pub rev: Option<String>,
    /// The upstream that it is shared with; none when there is none, and `rev` is HEAD.
    pub upstream: Option<String>,
    /// The newest commit of that upstream.
    pub tip: Option<String>,
}

/// What an index holds.
#[derive(Debug, Default)]
struct Index {
    entries: Vec<Entry>,
    conflicted: Vec<String>,
}

/// A repository.
pub struct Repo {
    place: Place,
    backend: Backend,
    /// By path relative to the top.
    overlays: BTreeMap<String, Vec<u8>>,
}

/// Where a repository's parts are.
#[derive(Debug, Clone)]
struct Place {
    cwd: PathBuf,
    env: BTreeMap<String, String>,
    git_dir: PathBuf,
    common_dir: PathBuf,
    root: Option<PathBuf>,
    index: PathBuf,
}

enum Backend {
    Library(Library),
    Program(Program),
}

impl Repo {
    /// The repository that git would use at `location`.
    pub fn open(location: &Location) -> Result<Repo, Error> {
        // Variables that libgit2 has no equal for are left to the program.
        let special = ["GIT_COMMON_DIR", "GIT_NAMESPACE"];
        if special.iter().any(|name| location.git_env.contains_key(*name)) || overrides::matter(&location.git_env) {
            return Repo::through_program(location);
        }
        match Library::open(location) {
            Ok((library, place)) => Ok(Repo { place, backend: Backend::Library(library), overlays: BTreeMap::new() }),
            Err(None) => Repo::through_program(location),
            // libgit2 knows fewer exceptions than git (another global configuration, sudo): git has the last word.
            Err(Some(error)) => match Repo::through_program(location) {
                Err(Error::NoProgram(_)) => Err(error),
                other => other,
            },
        }
    }

    /// The same without libgit2, so that both ways can be compared.
    #[doc(hidden)]
    pub fn through_program(location: &Location) -> Result<Repo, Error> {
        let (program, place) = Program::open(location)?;
        Ok(Repo { place, backend: Backend::Program(program), overlays: BTreeMap::new() })
    }

    /// Lets unsaved contents, by absolute path, stand for files of the work tree, or for ones that are not there yet. Those
    /// of other folders, and of files that git ignores, count for nothing.
    pub fn overlay(&mut self, contents: &BTreeMap<PathBuf, String>) {
        let Some(root) = &self.place.root else { return };
        let own = contents.iter().filter_map(|(path, text)| {
            let name = path.strip_prefix(root).ok()?.to_str()?;
            let usable = match path.symlink_metadata() {
                Ok(meta) => meta.is_file() || (meta.is_symlink() && disk::is_file(root, name)),
                Err(_) => true,
            };
            usable.then(|| (name.to_owned(), text.clone().into_bytes()))
        });
        self.overlays = own.collect();
    }

    /// Whether libgit2 reads this repository.
    #[doc(hidden)]
    pub fn is_through_library(&self) -> bool {
        matches!(self.backend, Backend::Library(_))
    }

    /// The top of the work tree; none in a bare repository.
    pub fn root(&self) -> Option<&Path> {
        self.place.root.as_deref()
    }

    /// The git folder of this work tree.
    pub fn git_dir(&self) -> &Path {
        &self.place.git_dir
    }

    /// The git folder that all work trees share.
    pub fn common_dir(&self) -> &Path {
        &self.place.common_dir
    }

    /// The value of a key of git's configuration.
    pub fn setting(&self, key: &str) -> Result<Option<String>, Error> {
        // libgit2 looks for configuration files where this process would.
        let elsewhere = self.place.env.keys().any(|name| name.starts_with("GIT_CONFIG"));
        match &self.backend {
            Backend::Library(library) if !elsewhere => library.setting(key),
            _ => self.program().setting(key),
        }
    }

    /// The files below `prefixes` (`""`: all) in the index that is being committed, in order of path.
    pub fn staged(&self, prefixes: &[String]) -> Result<Vec<Entry>, Error> {
        let index = self.index(prefixes)?;
        if !index.conflicted.is_empty() {
            return Err(Error::Conflicted(index.conflicted));
        }
        self.followed(prefixes, index.entries, || Ok(self.index(&[String::new()])?.entries))
    }

    fn index(&self, prefixes: &[String]) -> Result<Index, Error> {
        if self.place.root.is_none() {
            return Err(Error::Bare(self.place.git_dir.clone()));
        }
        if !self.place.index.exists() {
            // Where nothing was ever added there is no index; one that was made for a commit ends with it.
            let usual = self.place.git_dir.join("index");
            let same = self.place.index == usual
                || self.place.index.parent().and_then(|folder| folder.canonicalize().ok())
                    == self.place.git_dir.canonicalize().ok()
                    && self.place.index.ends_with("index");
            return if same { Ok(Index::default()) } else { Err(Error::IndexGone(self.place.index.clone())) };
        }
        if let Backend::Library(library) = &self.backend {
            match library.staged(&self.place.index, prefixes) {
                Err(Error::Unsupported) => {}
                other => return other,
            }
        }
        self.program().staged(prefixes)
    }

    /// The folder `prefix` of what is staged, where git has written it already: the same name, the same files. None when
    /// that is not known, or there is no such folder.
    pub fn staged_folder(&self, prefix: &str) -> Option<FolderId> {
        match &self.backend {
            Backend::Library(library) if self.place.root.is_some() => {
                library.staged_folder(&self.place.index, prefix).map(FolderId)
            }
            _ => None,
        }
    }

    /// The name that [`Repo::staged_folder`] will give once git has written the folder, as it does before it calls the hook of a
    /// commit. None where that is not known.
    pub fn staged_folder_to_be(&self, prefix: &str) -> Option<FolderId> {
        match &self.backend {
            Backend::Library(library) if self.place.root.is_some() => {
                library.staged_folder_to_be(&self.place.index, prefix).map(FolderId)
            }
            _ => None,
        }
    }

    /// The same for the commit `rev`.
    pub fn folder(&self, rev: &str, prefix: &str) -> Option<FolderId> {
        match &self.backend {
            Backend::Library(library) => library.folder(rev, prefix).map(FolderId),
            Backend::Program(_) => None,
        }
    }

    /// The files of a folder, by their paths in it, in order. None where there are links among them: what they lead to may
    /// change without it.
    pub fn list(&self, folder: &FolderId) -> Result<Option<Vec<Entry>>, Error> {
        let entries = match &self.backend {
            Backend::Library(library) => library.list(&folder.0)?,
            Backend::Program(program) => program.tree(&folder.0, &[String::new()])?,
        };
        Ok((!entries.iter().any(|entry| entry.is_link)).then_some(entries))
    }

    /// `entries`, which the tree has below `prefixes`, with the files that links lead to; `whole` is all of the tree.
    fn followed(
        &self,
        prefixes: &[String],
        entries: Vec<Entry>,
        whole: impl FnOnce() -> Result<Vec<Entry>, Error>,
    ) -> Result<Vec<Entry>, Error> {
        // The work tree tells of folders above that are links; of those in another tree alone nobody is told.
        let above = |prefix: &String| {
            let Some(root) = &self.place.root else { return false };
            Path::new(prefix)
                .ancestors()
                .skip(1)
                .any(|folder| root.join(folder) != *root && root.join(folder).is_symlink())
        };
        if !entries.iter().any(|entry| entry.is_link) && !prefixes.iter().any(above) {
            return Ok(entries);
        }
        let target = |link: &Entry| {
            let bytes = self.read(&link.id, LONGEST_TARGET).ok()?.bytes?;
            String::from_utf8(bytes.to_vec()).ok()
        };
        let entries = whole()?.into_iter().map(|entry| (entry.path.clone(), entry)).collect();
        let links = links::Links { entries, target: &target };
        let mut found: Vec<Entry> = prefixes.iter().flat_map(|prefix| links.below(prefix)).collect();
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found.dedup();
        Ok(found)
    }

    /// The paths in the index, those in conflict too, without links.
    fn tracked(&self, prefixes: &[String]) -> Result<BTreeSet<String>, Error> {
        let index = self.index(prefixes)?;
        let files = index.entries.into_iter().filter(|entry| !entry.is_link);
        Ok(files.map(|entry| entry.path).chain(index.conflicted).collect())
    }

    /// The files below `prefixes` in the commit `rev`, in order of path.
    pub fn tree(&self, rev: &str, prefixes: &[String]) -> Result<Vec<Entry>, Error> {
        let below = |prefixes: &[String]| match &self.backend {
            Backend::Library(library) => library.tree(rev, prefixes),
            Backend::Program(program) => program.tree(rev, prefixes),
        };
        self.followed(prefixes, below(prefixes)?, || below(&[String::new()]))
    }

    /// The tracked files below `prefixes` that are on disk, and those that are neither tracked nor ignored.
    pub fn worktree(&self, prefixes: &[String]) -> Result<Vec<WorkFile>, Error> {
        let seen = self.worktree_unless(prefixes, |_, _| None::<WorkFile>)?;
        Ok(seen
            .into_iter()
            .map(|(path, seen)| match seen {
                Seen::Known(file) => file,
                Seen::Read(bytes, _) => WorkFile { path, bytes, is_link: false },
                Seen::Link(bytes) => WorkFile { path, bytes, is_link: true },
            })
            .collect())
    }

    /// The same, but for reading what is `known` by its path and its mark.
    pub fn worktree_unless<T>(
        &self,
        prefixes: &[String],
        known: impl Fn(&str, &Mark) -> Option<T>,
    ) -> Result<Vec<(String, Seen<T>)>, Error> {
        let Some(root) = &self.place.root else { return Err(Error::Bare(self.place.git_dir.clone())) };
        let mut paths: BTreeMap<String, bool> = self.tracked(prefixes)?.into_iter().map(|path| (path, false)).collect();
        for found in prefixes.iter().flat_map(|prefix| disk::below(root, prefix, true)) {
            paths.insert(found.path, found.is_link);
        }
        let unwritten = self.unwritten(root).filter(|path| prefixes.iter().any(|prefix| is_below(path, prefix)));
        paths.extend(unwritten.map(|path| (path, false)));
        // None where it has gone meanwhile.
        let read = |(path, is_link): (String, bool)| {
            if let Some(bytes) = self.overlays.get(&path) {
                return Some(Ok((path, Seen::Read(bytes.clone(), None))));
            }
            let file = root.join(&path);
            if is_link {
                let target = std::fs::read_link(file).ok()?.into_os_string().into_encoded_bytes();
                return Some(Ok((path, Seen::Link(target))));
            }
            // What was a file when it was staged may be a pipe by now, or lead elsewhere.
            let meta = file.symlink_metadata().ok()?;
            let meta = match meta.is_symlink() && disk::is_file(root, &path) {
                true => file.metadata().ok()?,
                false => meta,
            };
            meta.is_file().then_some(())?;
            let mark = Mark::of(&meta);
            if let Some(known) = mark.as_ref().and_then(|mark| known(&path, mark)) {
                return Some(Ok((path, Seen::Known(known))));
            }
            match disk::read(&file) {
                Ok(bytes) => Some(Ok((path, Seen::Read(bytes, mark)))),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                // A chain without it is another one.
                Err(error) => Some(Err(Error::File(path, error))),
            }
        };
        paths.into_iter().filter_map(read).collect()
    }

    /// The full object name of the commit that `rev` names.
    pub fn resolve(&self, rev: &str) -> Result<String, Error> {
        let found = match &self.backend {
            Backend::Library(library) => library.commit(rev)?,
            Backend::Program(program) => program.commit(rev)?,
        };
        found.ok_or_else(|| Error::Revision(rev.to_owned()))
    }

    /// HEAD's commit; none when there is none yet.
    pub fn head(&self) -> Result<Option<String>, Error> {
        match &self.backend {
            Backend::Library(library) => library.commit("HEAD"),
            Backend::Program(program) => program.commit("HEAD"),
        }
    }

    /// The commit that HEAD shares with its upstream: `upstream` if it is stated, else the branch's own, else that of
    /// the remote `origin`; HEAD itself when there is none.
    pub fn base(&self, upstream: &str) -> Result<BaseCommit, Error> {
        let Some(head) = self.head()? else { return Ok(BaseCommit::default()) };
        let origins = format!("refs/remotes/origin/{upstream}");
        let candidates = match upstream {
            "" => vec![
                "@{upstream}",
                "refs/remotes/origin/HEAD",
                "refs/remotes/origin/main",
                "refs/remotes/origin/master",
            ],
            // A fresh clone may know it as origin's alone.
            stated => vec![stated, &origins],
        };
        for candidate in candidates {
            let Some(tip) = (match &self.backend {
                Backend::Library(library) => library.commit(candidate)?,
                Backend::Program(program) => program.commit(candidate)?,
            }) else {
                continue;
            };
            match self.merge_base(&head, &tip)? {
                Some(shared) => {
                    let rev = Some(self.later_base(shared, &tip)?);
                    return Ok(BaseCommit { rev, upstream: Some(candidate.to_owned()), tip: Some(tip) });
                }
                None if upstream.is_empty() => {}
                None => return Err(Error::Unrelated(upstream.to_owned())),
            }
        }
        if !upstream.is_empty() {
            return Err(Error::Revision(upstream.to_owned()));
        }
        Ok(BaseCommit { rev: Some(head), ..BaseCommit::default() })
    }

    /// A merge of upstream that is being committed shares more with it than HEAD does.
    fn later_base(&self, shared: String, tip: &str) -> Result<String, Error> {
        let mut base = shared;
        for head in self.merge_heads() {
            if let Some(other) = self.merge_base(&head, tip)?
                && self.merge_base(&base, &other)?.as_ref() == Some(&base)
            {
                base = other;
            }
        }
        Ok(base)
    }

    /// The commits that are being merged into HEAD, while a merge is under way.
    pub fn merge_heads(&self) -> Vec<String> {
        let listed = std::fs::read_to_string(self.place.git_dir.join("MERGE_HEAD")).unwrap_or_default();
        listed.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    fn merge_base(&self, one: &str, two: &str) -> Result<Option<String>, Error> {
        match &self.backend {
            Backend::Library(library) => library.merge_base(one, two),
            Backend::Program(program) => program.merge_base(one, two),
        }
    }

    /// The content of an object; not loaded when it is larger than `max` bytes.
    pub fn read(&self, id: &str, max: u64) -> Result<Blob, Error> {
        if let Backend::Library(library) = &self.backend {
            match library.read(id, max) {
                Err(Error::Unsupported) => {}
                other => return other,
            }
        }
        self.program().read(id, max)
    }

    /// What git would call a file with this content.
    pub fn blob_id(&self, bytes: &[u8]) -> Result<String, Error> {
        match &self.backend {
            Backend::Library(library) => library.blob_id(bytes),
            Backend::Program(program) => program.blob_id(bytes),
        }
    }

    /// The paths of all tracked files, and of those that are neither tracked nor ignored.
    pub fn paths(&self) -> Result<Vec<String>, Error> {
        let mut paths = self.tracked(&[String::new()])?;
        if let Some(root) = &self.place.root {
            let found = disk::below(root, "", false).into_iter().filter(|found| !found.is_link);
            paths.extend(found.map(|found| found.path));
            paths.extend(self.unwritten(root));
        }
        Ok(paths.into_iter().collect())
    }

    /// One file of the work tree, relative to its top.
    pub fn work_file(&self, path: &str) -> std::io::Result<Vec<u8>> {
        match (self.overlays.get(path), &self.place.root) {
            (Some(bytes), _) => Ok(bytes.clone()),
            (None, Some(root)) => disk::read(&root.join(path)),
            (None, None) => Err(std::io::ErrorKind::NotFound.into()),
        }
    }

    /// The overlays of files that are not there yet.
    fn unwritten<'a>(&'a self, root: &'a Path) -> impl Iterator<Item = String> + 'a {
        self.overlays.keys().filter(|path| root.join(path).symlink_metadata().is_err()).cloned()
    }

    fn program(&self) -> Program {
        match &self.backend {
            Backend::Program(program) => program.clone(),
            Backend::Library(_) => Program::at(&self.place),
        }
    }
}

/// The longest target of a link that is followed, in bytes.
const LONGEST_TARGET: u64 = 4096;

/// What relative paths in git's variables are relative to: git goes to the top of the work tree first.
fn base_of<'a>(cwd: &'a Path, root: Option<&'a Path>) -> &'a Path {
    match root {
        Some(root) if cwd.canonicalize().is_ok_and(|cwd| cwd.starts_with(root)) => root,
        _ => cwd,
    }
}

/// Whether `path` is `prefix` or lies below it.
fn is_below(path: &str, prefix: &str) -> bool {
    prefix.is_empty() || path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::is_below;

    #[test]
    fn a_prefix_is_whole_components() {
        assert!(is_below("db/migrations/1.sql", "db/migrations"));
        assert!(is_below("migd.toml", "migd.toml"));
        assert!(is_below("anything", ""));
        assert!(!is_below("db/migrations-old/1.sql", "db/migrations"));
    }
}
