//! Changes to files, as they happen: the only place that knows notify.
//!
//! A folder that was replaced by another of the same name is noticed by whoever asks for it again: what is watched is known
//! by its inode. One that went away and came back as it was has to be watched again all the same, because notify forgets what
//! is moved or removed.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

/// How many folders one tree may have, and all together.
const MAX_FOLDERS: usize = 4096;

/// Why something cannot be watched.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The system's limit, or migd's own.
    #[error("too many folders are watched (see fs.inotify.max_user_watches and max_user_instances)")]
    Limit,
    /// Anything else that the system says.
    #[error("{0}")]
    System(String),
}

/// A folder to watch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Folder {
    /// Where.
    pub path: PathBuf,
    /// With all folders in it.
    pub deep: bool,
}

/// How many paths that went away are told apart, until somebody asks again.
const MAX_GONE: usize = 1024;

/// Watches folders on behalf of several owners.
pub struct Watcher {
    inner: Mutex<Inner>,
    gone: Arc<Mutex<Gone>>,
}

/// What was moved or removed since it was last asked for. With a lock of its own: whoever tells waits for nobody.
#[derive(Default)]
struct Gone {
    paths: HashSet<PathBuf>,
    /// There were too many.
    all: bool,
}

impl Gone {
    fn add(&mut self, paths: &[PathBuf]) {
        self.all |= self.paths.len() + paths.len() > MAX_GONE;
        if !self.all {
            self.paths.extend(paths.iter().cloned());
        }
    }

    /// Whether what was watched at `path` may be watched no longer.
    fn has(&self, path: &Path) -> bool {
        self.all || path.ancestors().any(|above| self.paths.contains(above))
    }
}

struct Inner {
    notify: RecommendedWatcher,
    watched: HashMap<PathBuf, Watched>,
}

struct Watched {
    /// Device and inode.
    id: (u64, u64),
    deep: bool,
    folders: usize,
    owners: BTreeSet<PathBuf>,
}

impl Watcher {
    /// Tells `tell`, on a thread of its own, the paths of what changed. An empty list: something was missed.
    pub fn new(tell: impl Fn(&[PathBuf]) + Send + 'static) -> Result<Watcher, Error> {
        let gone = Arc::new(Mutex::new(Gone::default()));
        let told = Arc::clone(&gone);
        let notify = notify::recommended_watcher(move |event: notify::Result<Event>| match event {
            Ok(event) if event.need_rescan() => tell(&[]),
            Ok(event) if is_change(&event.kind) => {
                if matches!(event.kind, EventKind::Modify(ModifyKind::Name(_)) | EventKind::Remove(_)) {
                    told.lock().unwrap_or_else(PoisonError::into_inner).add(&event.paths);
                }
                tell(&event.paths);
            }
            Ok(_) => {}
            Err(error) => tell(&error.paths),
        });
        let notify = notify.map_err(|error| described(&error))?;
        Ok(Watcher { inner: Mutex::new(Inner { notify, watched: HashMap::new() }), gone })
    }

    /// Watches exactly `folders` for `owner`; those that are not there are left out. What can be watched is, even where
    /// another cannot.
    pub fn follow(&self, owner: &Path, folders: &[Folder]) -> Result<(), Error> {
        let mut inner = self.lock();
        let gone = std::mem::take(&mut *self.gone.lock().unwrap_or_else(PoisonError::into_inner));
        inner.renew(&gone);
        inner.forget(owner, |path| folders.iter().any(|folder| folder.path == path));
        let mut outcome = Ok(());
        for folder in folders {
            if let Err(error) = inner.add(owner, folder) {
                outcome = Err(error);
            }
        }
        outcome
    }

    /// Watches nothing more for `owner`.
    pub fn forget(&self, owner: &Path) {
        self.lock().forget(owner, |_| false);
    }

    /// How many folders are watched.
    pub fn count(&self) -> usize {
        self.lock().watched.values().map(|watched| watched.folders).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Watches again what went away and is there again, for whoever wanted it.
    fn renew(&mut self, gone: &Gone) {
        let lost: Vec<PathBuf> = self.watched.keys().filter(|path| gone.has(path)).cloned().collect();
        for path in lost {
            let Some(Watched { deep, owners, .. }) = self.watched.remove(&path) else { continue };
            let _ = self.notify.unwatch(&path);
            // Whoever wants it asks for it again, and is told then why it cannot be had.
            let _ = self.watch(&Folder { path, deep }, owners);
        }
    }

    fn add(&mut self, owner: &Path, folder: &Folder) -> Result<(), Error> {
        self.watch(folder, BTreeSet::from([owner.to_owned()]))
    }

    fn watch(&mut self, folder: &Folder, mut owners: BTreeSet<PathBuf>) -> Result<(), Error> {
        let Ok(meta) = fs::metadata(&folder.path) else { return Ok(()) };
        let id = (meta.dev(), meta.ino());
        let mut deep = folder.deep;
        if let Some(watched) = self.watched.get_mut(&folder.path) {
            if watched.id == id && (watched.deep || !deep) {
                watched.owners.append(&mut owners);
                return Ok(());
            }
            owners.append(&mut watched.owners);
            deep |= watched.deep;
            self.remove(&folder.path);
        }
        let total: usize = self.watched.values().map(|watched| watched.folders).sum();
        let folders = if deep { count(&folder.path, MAX_FOLDERS - total.min(MAX_FOLDERS)) } else { 1 };
        if total + folders > MAX_FOLDERS {
            return Err(Error::Limit);
        }
        let mode = if deep { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        match self.notify.watch(&folder.path, mode) {
            Ok(()) => {
                self.watched.insert(folder.path.clone(), Watched { id, deep, folders, owners });
                Ok(())
            }
            Err(error) if matches!(error.kind, ErrorKind::PathNotFound) => Ok(()),
            Err(error) => Err(described(&error)),
        }
    }

    fn forget(&mut self, owner: &Path, keep: impl Fn(&Path) -> bool) {
        let mut unwanted = Vec::new();
        for (path, watched) in &mut self.watched {
            if watched.owners.contains(owner) && !keep(path) {
                watched.owners.remove(owner);
                if watched.owners.is_empty() {
                    unwanted.push(path.clone());
                }
            }
        }
        unwanted.iter().for_each(|path| self.remove(path));
    }

    fn remove(&mut self, path: &Path) {
        self.watched.remove(path);
        // The folder may be gone, and its watch with it.
        let _ = self.notify.unwatch(path);
    }
}

/// Whether something may be different now. That somebody reads a file is none of migd's business.
fn is_change(kind: &EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if *access != AccessKind::Close(AccessMode::Write))
}

/// The folders in `root` and below, counted until there are more than `most`.
fn count(root: &Path, most: usize) -> usize {
    let mut folders = vec![root.to_owned()];
    let mut found = 0;
    while let Some(folder) = folders.pop() {
        found += 1;
        if found > most {
            break;
        }
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        folders.extend(entries.filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir())).map(|e| e.path()));
    }
    found
}

fn described(error: &notify::Error) -> Error {
    let exhausted = |code: Option<i32>| {
        [rustix::io::Errno::NOSPC, rustix::io::Errno::MFILE, rustix::io::Errno::NFILE]
            .iter()
            .any(|errno| code == Some(errno.raw_os_error()))
    };
    match &error.kind {
        ErrorKind::MaxFilesWatch => Error::Limit,
        ErrorKind::Io(io) if exhausted(io.raw_os_error()) => Error::Limit,
        _ => Error::System(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use super::*;

    fn watcher() -> (Watcher, Receiver<PathBuf>) {
        let (tell, told) = channel();
        let watcher = Watcher::new(move |paths| paths.iter().for_each(|path| drop(tell.send(path.clone()))));
        (watcher.unwrap(), told)
    }

    /// Waits until `path` is told.
    fn hears(told: &Receiver<PathBuf>, path: &Path) -> bool {
        std::iter::from_fn(|| told.recv_timeout(Duration::from_secs(5)).ok()).any(|changed| changed == path)
    }

    fn folder(path: &Path, deep: bool) -> Folder {
        Folder { path: path.to_owned(), deep }
    }

    #[test]
    fn writes_renames_and_new_folders_are_told() {
        let (watcher, told) = watcher();
        let top = tempfile::tempdir().unwrap();
        let top = top.path().canonicalize().unwrap();
        watcher.follow(Path::new("a"), &[folder(&top, true)]).unwrap();
        fs::write(top.join("one"), "1").unwrap();
        assert!(hears(&told, &top.join("one")));
        fs::rename(top.join("one"), top.join("two")).unwrap();
        assert!(hears(&told, &top.join("two")));
        fs::create_dir(top.join("deep")).unwrap();
        assert!(hears(&told, &top.join("deep")));
    }

    #[test]
    fn a_folder_in_the_place_of_another_is_watched_when_it_is_asked_for_again() {
        let (watcher, told) = watcher();
        let top = tempfile::tempdir().unwrap();
        let set = top.path().canonicalize().unwrap().join("set");
        fs::create_dir(&set).unwrap();
        watcher.follow(Path::new("a"), &[folder(&set, true)]).unwrap();
        fs::rename(&set, set.with_file_name("old")).unwrap();
        fs::create_dir(&set).unwrap();
        watcher.follow(Path::new("a"), &[folder(&set, true)]).unwrap();
        fs::write(set.join("one"), "1").unwrap();
        assert!(hears(&told, &set.join("one")));
    }

    #[test]
    fn what_nobody_wants_any_more_is_let_go() {
        let (watcher, _told) = watcher();
        let top = tempfile::tempdir().unwrap();
        let (one, two) = (top.path().join("one"), top.path().join("two"));
        fs::create_dir(&one).unwrap();
        fs::create_dir(&two).unwrap();
        watcher.follow(Path::new("a"), &[folder(&one, false), folder(&two, false)]).unwrap();
        watcher.follow(Path::new("b"), &[folder(&one, false), folder(Path::new("/nowhere"), true)]).unwrap();
        assert_eq!(watcher.count(), 2);
        watcher.follow(Path::new("a"), &[]).unwrap();
        assert_eq!(watcher.count(), 1);
        watcher.forget(Path::new("b"));
        assert_eq!(watcher.count(), 0);
    }

    #[test]
    fn a_tree_with_too_many_folders_is_refused() {
        let (watcher, _told) = watcher();
        let top = tempfile::tempdir().unwrap();
        for number in 0..MAX_FOLDERS {
            fs::create_dir(top.path().join(number.to_string())).unwrap();
        }
        let refused = watcher.follow(Path::new("a"), &[folder(top.path(), true)]);
        assert!(matches!(refused, Err(Error::Limit)), "{refused:?}");
        watcher.follow(Path::new("a"), &[folder(top.path(), false)]).unwrap();
    }
}
