//! Reading a repository again after it has changed: what there is to judge in its work tree and its index.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::event::Subject;
use super::roster::{self, Entry};
use super::work::Job;
use super::{Home, Interest, Live, Served, home};
use crate::config::{Config, Set};
use crate::daemon::Service;
use crate::daemon::service::{failed, is_settled};
use crate::judge::plan::{self, CONFIG_FILE};
use crate::judge::{self, Depth, Error, Plan, Query};
use crate::repo::{self, Location, Repo};
use crate::verdict::Mode;
use crate::wire::Selection;

/// How long after a change, and between two of them, what is watched is written down or taken up again.
const AFTER_A_CHANGE: Duration = Duration::from_millis(300);
/// How long the search for new sets rests, at least, and for how many times as long as it took.
const SEEK_REST: Duration = Duration::from_secs(1);
const SEEK_SHARE: u32 = 20;
/// While git is at work the files are neither before nor after: how soon they are looked at again, and how often.
const GIT_AT_WORK: Duration = Duration::from_millis(20);
const GIT_AT_WORK_MAX: u32 = 100;

/// What was found.
struct Looked {
    config: Config,
    jobs: Vec<Job>,
    /// The sets that have nothing to judge in the work tree.
    nothing: Vec<Subject>,
    /// HEAD, where there is nothing to judge at all.
    settled: Option<String>,
    /// Work trees that were not there the last time.
    new: Vec<Home>,
}

/// Why there is nothing to say.
enum Stop {
    /// The repository is gone, is another one, or is no longer to be watched.
    Gone,
    /// It cannot be judged as it is.
    Broken(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        match error {
            Error::Repo(repo::Error::NotARepository(_)) => Stop::Gone,
            other => Stop::Broken(other),
        }
    }
}

impl From<repo::Error> for Stop {
    fn from(error: repo::Error) -> Stop {
        Error::from(error).into()
    }
}

impl Service {
    /// Watches the repositories that are served, for as long as the daemon lives.
    pub(crate) async fn watch(self: Arc<Self>) {
        let Some(live) = self.live() else { return };
        tokio::spawn(Arc::clone(&self).remember());
        tokio::spawn(Arc::clone(&self).take_up_again());
        let mut last = Instant::now();
        loop {
            for root in live.changed(last).await {
                self.look(&root).await;
            }
            last = Instant::now();
        }
    }

    /// Writes down what is watched, a moment after it has changed.
    async fn remember(self: Arc<Self>) {
        let Some(live) = self.live() else { return };
        loop {
            live.changes.notified().await;
            tokio::time::sleep(AFTER_A_CHANGE).await;
            let service = Arc::clone(&self);
            let write = move || service.live().into_iter().for_each(Live::remember_watched);
            let _ = live.aside.run(write).await;
        }
    }

    /// Watches what the daemon before this one did, one after the other. Whoever started this one wants something else
    /// first.
    async fn take_up_again(self: Arc<Self>) {
        let Some(live) = self.live() else { return };
        let state = live.state.clone();
        let entries = live.aside.run(move || roster::load(&state)).await.unwrap_or_default();
        tracing::info!(repositories = entries.len(), "what was watched before");
        for entry in entries {
            tokio::time::sleep(AFTER_A_CHANGE).await;
            live.work.pace.quiet().await;
            let known = live.served().contains_key(&entry.home.root);
            if !known {
                let Entry { home, env, found, used: _ } = entry;
                tracing::info!(repo = %home.root.display(), "watched again");
                live.add(Served::new(home, env, Duration::default(), found));
            }
        }
    }

    async fn look(self: &Arc<Self>, root: &Path) {
        let Some(live) = self.live() else { return };
        let Some(served) = live.served().get(root).cloned() else { return };
        // Hook frameworks put unstaged edits aside meanwhile: the work tree says nothing.
        if live.work.is_hooked(root) {
            return live.later(root.to_owned(), GIT_AT_WORK);
        }
        if let Some(left) = live.work.pace.hush_left() {
            return live.later(root.to_owned(), left);
        }
        let busy = served.home.git_dir.join("index.lock").exists();
        if busy && served.waited < GIT_AT_WORK_MAX {
            if let Some(served) = live.served().get_mut(root) {
                served.waited += 1;
            }
            return live.later(root.to_owned(), GIT_AT_WORK);
        }
        // Not on the thread that gives way, or its own would give way too: what is saved is to be seen at once.
        live.watcher();
        let service = Arc::clone(self);
        let (at, started) = (served.clone(), Instant::now());
        let looked = live.aside.run(move || service.read_again(&at)).await;
        let repo = root.to_string_lossy().into_owned();
        if let Some(served) = live.served().get_mut(root) {
            served.waited = 0;
        }
        match looked {
            Ok(Ok(looked)) => {
                tracing::debug!(repo, ms = started.elapsed().as_millis(), jobs = looked.jobs.len(), "looked at");
                self.touch(Some(&looked.config));
                self.take_up(root, repo, looked).await;
            }
            Ok(Err(Stop::Gone)) => {
                tracing::info!(repo, "watched no longer");
                live.forget(root);
            }
            Ok(Err(Stop::Broken(error))) => {
                let subject = Subject { repo: repo.clone(), set: String::new(), tree: Mode::Worktree };
                live.board.retain(&repo, std::slice::from_ref(&subject));
                live.work.replace(&repo, &[], Vec::new());
                let verdict = failed(&error, &repo, Mode::Worktree, started).verdicts.pop();
                let print = blake3::hash(error.to_string().as_bytes());
                verdict.into_iter().for_each(|verdict| live.board.judged(&subject, print, verdict));
            }
            Err(broken) => tracing::warn!(%broken, "a repository could not be read"),
        }
    }

    /// Puts what is known on the board, and has the rest judged.
    async fn take_up(self: &Arc<Self>, root: &Path, repo: String, looked: Looked) {
        let Some(live) = self.live() else { return };
        let Looked { config, jobs, nothing, settled, new } = looked;
        let known = config.migrations.len();
        let wanted: Vec<Subject> = jobs.iter().map(|job| job.subject.clone()).collect();
        let subjects: Vec<Subject> = wanted.iter().chain(&nothing).cloned().collect();
        live.board.retain(&repo, &subjects);
        nothing.iter().for_each(|subject| live.board.nothing(subject));
        let mut open = Vec::new();
        for job in jobs.iter().cloned() {
            match self.known(&job) {
                Some((verdict, depth)) => {
                    live.board.judged(&job.subject, job.print, verdict);
                    if depth == Depth::Quick {
                        open.push(Job { depth: Depth::Full, ..job });
                    }
                }
                None if live.board.has(&job.subject, &job.print) => {}
                None => open.push(job),
            }
        }
        live.work.replace(&repo, &jobs, open);
        self.start_work();
        for home in new {
            let env = live.served().get(root).map(|served| served.env.clone()).unwrap_or_default();
            live.serve(&home, &env, &config, known);
        }
        if let Some(head) = settled {
            self.make_ready(root, head, config).await;
        }
    }

    /// After a commit, a switch or a merge: the databases that the next migration will want. Only where a server runs.
    async fn make_ready(self: &Arc<Self>, root: &Path, head: String, config: Config) {
        let Some(live) = self.live() else { return };
        let Some(bench) = self.engines_in_use().warm(&config) else { return };
        let served = {
            let mut all = live.served();
            let Some(served) = all.get_mut(root).filter(|served| served.head.as_ref() != Some(&head)) else { return };
            served.head = Some(head);
            served.clone()
        };
        let kept = self.kept_files();
        let planned = live.aside.run(move || {
            let repo = Repo::open(&location(&served))?;
            let query = Query { selection: &Selection::Worktree, sets: &[], touched_only: false };
            plan::plan(&repo, config, &kept, &query)
        });
        if let Ok(Ok(plan)) = planned.await {
            let passed = vec![true; plan.sets.len()];
            self.ready_later(Arc::new(plan), bench, root.to_string_lossy().into_owned(), passed);
        }
    }

    fn read_again(&self, served: &Served) -> Result<Looked, Stop> {
        let Some(live) = self.live() else { return Err(Stop::Gone) };
        let home = &served.home;
        if !home.root.is_dir() {
            return Err(Stop::Gone);
        }
        let started = Instant::now();
        let repo = Repo::open(&location(served))?;
        // One that is found otherwise than by its folder (GIT_DIR in the environment) is judged when it is asked for.
        if repo.root() != Some(&home.root) || repo.git_dir() != home.git_dir {
            return Err(Stop::Gone);
        }
        let mut config = plan::configuration(&repo, false, &served.env)?;
        if !config.watch.enabled {
            return Err(Stop::Gone);
        }
        let stated = !config.migrations.is_empty();
        let sets = if stated { config.migrations.clone() } else { found_sets(live, served, &repo, &config)? };
        let sought = live.served().get(&home.root).map(|served| served.sought.clone()).unwrap_or_default();
        let setups = sets.iter().flat_map(plan::setup_files).map(|path| home.root.join(path));
        let folders = folders_of(&sets, home);
        let linked = home::linked(&home.root, &folders);
        let files = setups.chain([home.root.join(CONFIG_FILE)]).chain(linked).collect();
        let sought = if stated { Vec::new() } else { sought };
        live.follow(Interest { home: home.clone(), sets: folders, files, sought });
        let (trees, new) = worktrees(served);
        if let Some(served) = live.served().get_mut(&home.root) {
            let found = (!stated).then(|| sets.clone());
            if served.found != found {
                live.changes.notify_one();
            }
            served.found = found;
            served.worktrees = Some(trees);
            served.debounce = config.watch.debounce;
        }
        config.migrations = sets;
        if config.migrations.is_empty() {
            let nothing = Vec::new();
            return Ok(Looked { config, jobs: Vec::new(), nothing, settled: None, new });
        }
        let mut jobs = Vec::new();
        let opened = started.elapsed();
        let kept = self.kept_files();
        let query = |selection| Query { selection, sets: &[], touched_only: true };
        jobs.extend(split(plan::plan(&repo, config.clone(), &kept, &query(&Selection::Worktree))?, home));
        let read = started.elapsed();
        // While a conflict is being resolved the index is nothing that could be committed.
        let staged = plan::configuration(&repo, true, &served.env).and_then(|mut staged| {
            if staged.migrations.is_empty() {
                staged.migrations.clone_from(&config.migrations);
            }
            plan::plan(&repo, staged, &kept, &query(&Selection::Staged))
        });
        for job in staged.map(|plan| split(plan, home)).unwrap_or_default() {
            if !jobs.iter().any(|other| other.print == job.print) {
                jobs.push(job);
            }
        }
        tracing::debug!(?opened, ?read, staged = ?started.elapsed(), "read again");
        let repo_name = home.root.to_string_lossy();
        let unchanged = config
            .migrations
            .iter()
            .map(plan::set_name)
            .filter(|name| !jobs.iter().any(|job| job.subject.set == *name && job.subject.tree == Mode::Worktree));
        let nothing =
            unchanged.map(|set| Subject { repo: repo_name.to_string(), set: set.to_owned(), tree: Mode::Worktree });
        let nothing = nothing.collect();
        let settled = if jobs.is_empty() { repo.head()? } else { None };
        Ok(Looked { config, jobs, nothing, settled, new })
    }

    /// The verdict on what `job` is about, if it was judged before, and how deeply.
    pub(super) fn known(&self, job: &Job) -> Option<(crate::verdict::Verdict, Depth)> {
        let live = self.live()?;
        let server = self.engines_in_use().server(&job.plan.config)?;
        let kept = [Depth::Full, Depth::Quick].into_iter().find_map(|depth| {
            let order = job.moment(depth);
            let report = judge::kept(self.engines_in_use().verdicts(), &server, &job.plan, order.with(&|_| {}))?;
            Some((report.verdicts.into_iter().next()?, depth))
        });
        kept.or_else(|| Some((live.fresh(&job.print)?, Depth::Full)))
    }
}

/// The sets of a repository that names none. They are looked for where something happened that may have brought one, and not
/// all the time: it takes reading the whole work tree.
fn found_sets(live: &Live, served: &Served, repo: &Repo, config: &Config) -> Result<Vec<Set>, Stop> {
    let root = &served.home.root;
    let sought = live.intake.sought().remove(root);
    let there = |found: &&Vec<Set>| found.iter().all(|set| root.join(&set.path).is_dir());
    if let Some(found) = served.found.as_ref().filter(there).filter(|_| !served.sought.is_empty()) {
        let rest = served.seek_after.map(|after| after.saturating_duration_since(Instant::now())).unwrap_or_default();
        if !sought {
            return Ok(found.clone());
        }
        if !rest.is_zero() {
            live.intake.sought().insert(root.clone());
            live.later(root.clone(), rest);
            return Ok(found.clone());
        }
    }
    let started = Instant::now();
    // Watched before they are looked through: what comes meanwhile is seen in one way or the other.
    let folders = home::sought(root);
    let known = served.found.as_deref().unwrap_or_default();
    let (home, sets) = (served.home.clone(), folders_of(known, &served.home));
    live.follow(Interest { home, sets, files: vec![root.join(CONFIG_FILE)], sought: folders.clone() });
    let sets = match (&served.found, sought) {
        // Remembered from the daemon before this one.
        (Some(found), false) if served.sought.is_empty() && there(&found) => found.clone(),
        _ => plan::sets(repo, config)?,
    };
    if let Some(served) = live.served().get_mut(root) {
        served.sought = folders;
        served.seek_after = Some(Instant::now() + SEEK_REST.max(started.elapsed() * SEEK_SHARE));
    }
    Ok(sets)
}

fn folders_of(sets: &[Set], home: &Home) -> Vec<PathBuf> {
    let folder = |path: &String| if path.is_empty() { home.root.clone() } else { home.root.join(path) };
    sets.iter().flat_map(|set| std::iter::once(&set.path).chain(&set.locations)).map(folder).collect()
}

fn location(served: &Served) -> Location {
    Location { cwd: served.home.root.clone(), git_env: served.env.clone() }
}

/// One job for each set of `plan` that has something to judge.
fn split(plan: Plan, home: &Home) -> Vec<Job> {
    let Plan { config, mode, sets, known } = plan;
    let job = |set| {
        let plan = Plan { config: config.clone(), mode, sets: vec![set], known };
        let subject =
            Subject { repo: home.root.to_string_lossy().into_owned(), set: plan.sets[0].name.clone(), tree: mode };
        Job {
            subject,
            print: judge::fingerprint(&plan, &plan.sets[0]),
            plan: Arc::new(plan),
            depth: Depth::Quick,
            tries: 0,
        }
    };
    sets.into_iter().filter(|set| !is_settled(set)).map(job).collect()
}

/// The names of the repository's linked work trees, and those that are new.
fn worktrees(served: &Served) -> (BTreeSet<String>, Vec<Home>) {
    let common = &served.home.common_dir;
    let known = served.worktrees.as_ref();
    let home = |name: &String| {
        let git_dir = common.join("worktrees").join(name);
        let link = PathBuf::from(fs::read_to_string(git_dir.join("gitdir")).ok()?.trim_end());
        let root = link.parent()?.canonicalize().ok()?;
        Some(Home { root, git_dir, common_dir: common.clone() })
    };
    let entries = fs::read_dir(common.join("worktrees")).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    // One that is just being made is complete a moment later.
    let names: BTreeSet<String> = names.filter(|name| home(name).is_some()).collect();
    // Those that were there already are watched when somebody works in them.
    let new = names.iter().filter(|name| known.is_some_and(|known| !known.contains(*name))).filter_map(home).collect();
    (names, new)
}
