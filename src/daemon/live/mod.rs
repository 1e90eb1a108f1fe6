//! While one edits: the repositories that the daemon serves are watched, and what their work trees and indexes hold is
//! judged before anybody asks.
//!
//! A change marks its repository; when the files have been left alone for a moment, the repository is read again, and what
//! is not known yet is judged in the background (`work`). What is known is on the `board`. Nothing here is needed for a
//! commit: where files cannot be watched, commits are judged as they come.

pub(crate) mod board;
pub mod event;
mod home;
mod left;
mod look;
mod roster;
mod work;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use blake3::Hash;
use tokio::sync::Notify;

use super::aside::Aside;
use super::status::{State, Watched};
use crate::config::{Config, Set};
use crate::engine::pace::Pace;
use crate::judge::{self, Plan};
use crate::verdict::{Outcome, Report, Verdict};
use crate::watch::Watcher;
use board::Board;
use event::Subject;
pub(crate) use home::Home;
use home::Interest;
pub(crate) use left::Asked;
use work::Work;

/// How many repositories are watched; the least recently used is let go for a new one.
const MAX_REPOS: usize = 64;
/// How many verdicts are remembered that are not kept because another time may judge otherwise.
const FRESH: usize = 16;
/// After how long without a change the next one is no part of many.
const STILL: Duration = Duration::from_millis(300);
/// How long changes that do not end are waited out, in debounces.
const RESTLESS: u32 = 8;

/// What is watched, what is known, what is being judged.
pub(crate) struct Live {
    intake: Arc<Intake>,
    /// Made with the first repository.
    watcher: OnceLock<Result<Watcher, String>>,
    served: Mutex<HashMap<PathBuf, Served>>,
    /// What commits were told lately: not to be judged once more, though it may not last.
    fresh: Mutex<VecDeque<(Hash, Verdict)>>,
    /// What is known.
    pub(crate) board: Board,
    work: Work,
    /// Where repositories are read.
    aside: Aside,
    /// The daemon's socket, and its inode.
    socket: OnceLock<(PathBuf, u64)>,
    /// Where what is watched is remembered, and told when it changes.
    state: PathBuf,
    changes: Notify,
}

/// A repository that is watched.
#[derive(Clone)]
struct Served {
    home: Home,
    env: BTreeMap<String, String>,
    debounce: Duration,
    used: Instant,
    /// The sets that were found where none is configured: finding them reads the whole work tree.
    found: Option<Vec<Set>>,
    /// Where more may appear, and when they may be looked for again.
    sought: Vec<PathBuf>,
    seek_after: Option<Instant>,
    /// The other work trees that are known of.
    worktrees: Option<BTreeSet<String>>,
    /// HEAD when the next judgement's databases were last made ready.
    head: Option<String>,
    /// How often git was found at work, in a row.
    waited: u32,
    /// Why it is not watched, or not all of it.
    note: Option<String>,
}

impl Served {
    fn new(home: Home, env: BTreeMap<String, String>, debounce: Duration, found: Option<Vec<Set>>) -> Served {
        Served {
            home,
            env,
            debounce,
            used: Instant::now(),
            found,
            sought: Vec::new(),
            seek_after: None,
            worktrees: None,
            head: None,
            waited: 0,
            note: None,
        }
    }

    /// Whether there is something in it to watch, as far as is known.
    fn has_sets(&self) -> bool {
        self.found.as_ref().is_none_or(|found| !found.is_empty())
    }
}

/// What the system tells, until somebody looks.
#[derive(Default)]
struct Intake {
    interests: Mutex<HashMap<PathBuf, Interest>>,
    dirty: Mutex<HashMap<PathBuf, Instant>>,
    /// Where a set may have appeared.
    seek: Mutex<HashSet<PathBuf>>,
    bell: Notify,
}

impl Live {
    /// Nothing is watched yet. What will be is remembered in the folder `state`.
    pub(super) fn new(state: &Path, pace: &Arc<Pace>) -> Live {
        Live {
            state: state.to_owned(),
            changes: Notify::new(),
            intake: Arc::default(),
            watcher: OnceLock::new(),
            served: Mutex::default(),
            fresh: Mutex::default(),
            board: Board::new(),
            work: Work::new(pace),
            aside: Aside::start(),
            socket: OnceLock::new(),
        }
    }

    /// Works only as long as clients find this daemon on `socket`.
    pub(super) fn listens_at(&self, socket: PathBuf, inode: u64) {
        let _ = self.socket.set((socket, inode));
    }

    /// Whether clients find another daemon, or none: it may have taken over the servers by now.
    fn is_forsaken(&self) -> bool {
        let there = |socket: &Path| std::fs::symlink_metadata(socket).ok().map(|metadata| metadata.ino());
        self.socket.get().is_some_and(|(socket, own)| there(socket) != Some(*own))
    }

    /// Watches the repository at `home` from now on, as it is configured now. It has as many sets as are `known`.
    pub(super) fn serve(&self, home: &Home, env: &BTreeMap<String, String>, config: &Config, known: usize) {
        let root = &home.root;
        if !config.watch.enabled {
            return self.forget(root);
        }
        let env = home::lasting(env);
        if let Some(served) = self.served().get_mut(root).filter(|served| served.home == *home && served.env == env) {
            served.used = Instant::now();
            served.debounce = config.watch.debounce;
            let found = served.found.as_ref().filter(|_| config.migrations.is_empty());
            if found.is_some_and(|found| found.len() != known) {
                self.intake.seek(root);
            }
            return;
        }
        self.add(Served::new(home.clone(), env, config.watch.debounce, None));
    }

    fn add(&self, served: Served) {
        let root = served.home.root.clone();
        let mut all = self.served();
        all.insert(root.clone(), served);
        // Those without a set go first.
        let oldest =
            all.iter().min_by_key(|(_, served)| (served.has_sets(), served.used)).map(|(root, _)| root.clone());
        let excess = oldest.filter(|_| all.len() > MAX_REPOS);
        drop(all);
        if let Some(oldest) = excess {
            self.forget(&oldest);
        }
        self.intake.mark(&root);
        self.changes.notify_one();
    }

    /// What is watched, to be remembered.
    fn roster(&self) -> Vec<roster::Entry> {
        let entry = |served: &Served| roster::Entry {
            home: served.home.clone(),
            env: served.env.clone(),
            found: served.found.clone(),
            used: roster::now().saturating_sub(served.used.elapsed().as_secs()),
        };
        self.served().values().filter(|served| served.has_sets()).map(entry).collect()
    }

    /// Writes down what is watched.
    pub(super) fn remember_watched(&self) {
        if let Err(error) = roster::store(&self.state, self.roster()) {
            tracing::warn!(%error, "what is watched was not written down");
        }
    }

    /// A commit is being made: nothing is begun beside it until git is done.
    pub(super) fn hush(&self) {
        self.work.hush();
    }

    /// What somebody was just told about `plan`.
    pub(super) fn remember(&self, plan: &Plan, report: &Report) {
        for verdict in report.verdicts.iter().filter(|verdict| !verdict.cached) {
            let Some(set) = plan.sets.iter().find(|set| set.name == verdict.set) else { continue };
            let print = judge::fingerprint(plan, set);
            let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
            fresh.push_back((print, verdict.clone()));
            if fresh.len() > FRESH {
                fresh.pop_front();
            }
        }
    }

    fn fresh(&self, print: &Hash) -> Option<Verdict> {
        let fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        fresh.iter().rev().find(|(known, _)| known == print).map(|(_, verdict)| verdict.clone())
    }

    /// Watches it no longer, and knows nothing of it.
    fn forget(&self, root: &Path) {
        if self.served().remove(root).is_none() {
            return;
        }
        if let Some(Ok(watcher)) = self.watcher.get() {
            watcher.forget(root);
        }
        self.intake.interests().remove(root);
        let repo = root.to_string_lossy();
        self.board.forget(&repo);
        self.work.forget(&repo);
        self.changes.notify_one();
    }

    /// The repositories that are watched.
    pub(crate) fn watched(&self) -> Vec<Watched> {
        let all = self.served();
        let states = self.board.states();
        let describe = |served: &Served| {
            let repo = served.home.root.to_string_lossy().into_owned();
            let own = states.iter().filter(|(subject, _)| subject.repo == repo);
            let state = |(subject, outcome): &(Subject, Option<Outcome>)| State {
                set: subject.set.clone(),
                tree: subject.tree,
                outcome: *outcome,
            };
            Watched { sets: own.map(state).collect(), note: served.note.clone(), repo }
        };
        let mut watched: Vec<Watched> = all.values().map(describe).collect();
        watched.sort_by(|a, b| a.repo.cmp(&b.repo));
        watched
    }

    /// Waits until a repository has changed and has then been left alone for a moment: those that changed, newest first.
    /// The moment is short after a time without changes: a save is one, and what is more is only looked at twice.
    async fn changed(&self, last: Instant) -> Vec<PathBuf> {
        self.intake.bell.notified().await;
        let debounce = if last.elapsed() > STILL { self.debounce() / 3 } else { self.debounce() };
        let until = Instant::now() + debounce * RESTLESS;
        while Instant::now() < until && tokio::time::timeout(debounce, self.intake.bell.notified()).await.is_ok() {}
        let dirty = std::mem::take(&mut *self.intake.dirty());
        let mut dirty: Vec<(PathBuf, Instant)> = dirty.into_iter().collect();
        dirty.sort_unstable_by_key(|(_, at)| std::cmp::Reverse(*at));
        dirty.into_iter().map(|(root, _)| root).collect()
    }

    /// The longest that a changed repository wants.
    fn debounce(&self) -> Duration {
        let (served, dirty) = (self.served(), self.intake.dirty());
        dirty.keys().filter_map(|root| served.get(root)).map(|served| served.debounce).max().unwrap_or_default()
    }

    /// Looks at a repository again, in a moment.
    fn later(self: &Live, root: PathBuf, pause: Duration) {
        let intake = Arc::clone(&self.intake);
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            intake.mark(&root);
        });
    }

    fn watcher(&self) -> &Result<Watcher, String> {
        self.watcher.get_or_init(|| {
            let intake = Arc::clone(&self.intake);
            Watcher::new(move |paths| intake.take(paths)).map_err(|error| error.to_string())
        })
    }

    /// Watches exactly what `interest` needs.
    fn follow(&self, interest: Interest) {
        let root = interest.home.root.clone();
        let outcome = match self.watcher() {
            Ok(watcher) => {
                let folders = interest.folders();
                self.intake.interests().insert(root.clone(), interest);
                watcher.follow(&root, &folders).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.clone()),
        };
        if let Some(served) = self.served().get_mut(&root) {
            if let Err(error) = &outcome
                && served.note.as_ref() != Some(error)
            {
                tracing::warn!(error, "a repository cannot be watched; its commits are judged as they come");
            }
            served.note = outcome.err();
        }
    }

    fn served(&self) -> MutexGuard<'_, HashMap<PathBuf, Served>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intake {
    /// Called by the system, for every single change.
    fn take(&self, paths: &[PathBuf]) {
        for interest in self.interests().values() {
            let root = &interest.home.root;
            if paths.is_empty() || paths.iter().any(|path| interest.concerns(path)) {
                self.mark(root);
            } else if paths.iter().any(|path| interest.may_bring_a_set(path)) {
                self.seek(root);
            }
        }
    }

    /// A set may have appeared.
    fn seek(&self, root: &Path) {
        self.sought().insert(root.to_owned());
        self.mark(root);
    }

    fn sought(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.seek.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mark(&self, root: &Path) {
        self.dirty().insert(root.to_owned(), Instant::now());
        self.bell.notify_one();
    }

    fn interests(&self) -> MutexGuard<'_, HashMap<PathBuf, Interest>> {
        self.interests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dirty(&self) -> MutexGuard<'_, HashMap<PathBuf, Instant>> {
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
