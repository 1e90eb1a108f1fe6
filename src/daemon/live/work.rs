//! The background's judgements: one at a time, newest first, none while a commit waits.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use blake3::Hash;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::event::Subject;
use super::left::Left;
use crate::daemon::Service;
use crate::daemon::moment::Moment;
use crate::daemon::service::failed;
use crate::engine::Progress;
use crate::engine::pace::{Manner, Pace};
use crate::judge::{self, Depth, Plan};

/// How long nothing new must come before rows are searched for more deeply.
const CALM: Duration = Duration::from_millis(500);
/// How often one judgement is begun again because commits came in between.
const MAX_TRIES: u8 = 50;

/// One set's content, to be judged.
#[derive(Clone)]
pub(super) struct Job {
    pub(super) subject: Subject,
    /// Of the content.
    pub(super) print: Hash,
    /// Of one set.
    pub(super) plan: Arc<Plan>,
    pub(super) depth: Depth,
    pub(super) tries: u8,
}

impl Job {
    /// A judgement that begins now.
    pub(super) fn moment(&self, depth: Depth) -> Moment {
        let now = Instant::now();
        let until = now + self.plan.config.limits.judgement;
        Moment { depth, deadline: until, patience: until, fleeting: true, ..Moment::aside(self.subject.repo.clone()) }
    }

    fn is(&self, subject: &Subject, print: &Hash) -> bool {
        self.subject == *subject && self.print == *print
    }

    /// Whether a judgement of `set` comes by the database that this one starts from.
    fn starts_within(&self, plan: &Plan, set: &judge::SetPlan) -> bool {
        judge::starts_within(&self.plan, &self.plan.sets[0], plan, set)
    }
}

/// What waits and what runs.
pub(super) struct Work {
    state: Mutex<State>,
    /// Whether somebody waits for a verdict, and until when git is given the machine.
    pub(super) pace: Arc<Pace>,
}

#[derive(Default)]
struct State {
    /// Oldest first.
    queue: Vec<Job>,
    running: Option<Running>,
    /// What each subject holds now.
    wanted: BTreeMap<Subject, Hash>,
    /// A task works on the queue.
    worker: bool,
    /// In which repositories hooks run.
    hooks: HashMap<PathBuf, usize>,
    /// Questions that nobody waits for any more, whose chains are being built on.
    left: Vec<Left>,
}

struct Running {
    job: Job,
    halt: CancellationToken,
    halt_chain: CancellationToken,
    /// Closed at its end.
    end: watch::Receiver<()>,
}

impl Running {
    /// Gives the judgement up. The chain before what it is about goes on being built if it is `wanted`: whoever comes next
    /// would begin it anew.
    fn give_up(&self, wanted: bool) {
        self.halt.cancel();
        if !wanted {
            self.halt_chain.cancel();
        }
    }
}

/// Somebody waits for a verdict; the background rests until it is dropped.
pub(crate) struct Urgent {
    service: Arc<Service>,
    root: PathBuf,
}

impl Drop for Urgent {
    fn drop(&mut self) {
        let Some(live) = self.service.live() else { return };
        let mut state = live.work.state();
        if let Some(count) = state.hooks.get_mut(&self.root) {
            *count -= 1;
            if *count == 0 {
                state.hooks.remove(&self.root);
            }
        }
        drop(state);
        live.work.pace.served();
    }
}

impl Work {
    pub(super) fn new(pace: &Arc<Pace>) -> Work {
        Work { state: Mutex::default(), pace: Arc::clone(pace) }
    }

    /// A commit is being made: nothing is begun until git has had the time to end it, a chain is not built on, and what only
    /// goes deeper is given up.
    pub(super) fn hush(&self) {
        self.pace.hush();
        if let Some(running) = self.state().running.as_ref().filter(|running| running.job.depth == Depth::Full) {
            running.give_up(true);
        }
    }

    pub(super) fn is_hooked(&self, root: &Path) -> bool {
        self.state().hooks.contains_key(root)
    }

    /// What `repo` holds now: what it held before is not judged any more, `open` is.
    pub(super) fn replace(&self, repo: &str, holds: &[Job], open: Vec<Job>) {
        let mut state = self.state();
        state.wanted.retain(|subject, _| subject.repo != repo);
        state.wanted.extend(holds.iter().map(|job| (job.subject.clone(), job.print)));
        let State { queue, running, wanted, .. } = &mut *state;
        queue.retain(|job| wanted.get(&job.subject) == Some(&job.print));
        let quick = open.iter().any(|job| job.depth == Depth::Quick);
        if let Some(running) = running {
            let outdated = wanted.get(&running.job.subject) != Some(&running.job.print);
            let deep = running.job.depth == Depth::Full;
            if outdated || (deep && quick) {
                let job = &running.job;
                let now = holds.iter().find(|held| held.subject == job.subject);
                running.give_up(now.is_some_and(|held| job.starts_within(&held.plan, &held.plan.sets[0])));
            }
        }
        for job in open {
            let under_way = running
                .as_ref()
                .is_some_and(|running| running.job.is(&job.subject, &job.print) && !running.halt.is_cancelled());
            if !under_way && !queue.iter().any(|queued| queued.is(&job.subject, &job.print)) {
                queue.push(job);
            }
        }
    }

    pub(super) fn forget(&self, repo: &str) {
        self.replace(repo, &[], Vec::new());
    }

    /// The next to be judged: the newest that nothing is known of, else one that could be searched more deeply.
    fn next(&self) -> Option<Job> {
        let mut state = self.state();
        let quick = state.queue.iter().rposition(|job| job.depth == Depth::Quick);
        match quick.or(state.queue.len().checked_sub(1)) {
            Some(at) => Some(state.queue.remove(at)),
            None => {
                state.worker = false;
                None
            }
        }
    }

    /// Takes `job` up again later, if it is still wanted.
    fn again(&self, job: Job) {
        let mut state = self.state();
        let wanted = state.wanted.get(&job.subject) == Some(&job.print);
        let queued = state.queue.iter().any(|queued| queued.is(&job.subject, &job.print));
        if wanted && !queued && job.tries < MAX_TRIES {
            state.queue.insert(0, Job { tries: job.tries + 1, ..job });
        }
    }

    /// Nobody waits for this any more.
    pub(super) fn leave(&self, left: Left) {
        let mut state = self.state();
        state.left.retain(Left::is_under_way);
        state.left.push(left);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// Has the background rest. A judgement under way is given up, unless it is about what `plan` is about: then its end
    /// is waited for, because nothing would be sooner.
    pub(crate) async fn first(self: &Arc<Self>, plan: &Plan, repo: &str, until: Instant) -> Option<Urgent> {
        let work = &self.live()?.work;
        let urgent = Urgent { service: Arc::clone(self), root: repo.into() };
        *work.state().hooks.entry(urgent.root.clone()).or_default() += 1;
        work.pace.awaited();
        work.state().left.retain(|left| left.goes_on_for(plan));
        let end = work.state().running.as_ref().and_then(|running| {
            let job = &running.job;
            let same = |set: &judge::SetPlan| judge::fingerprint(plan, set) == job.print;
            let joined = job.depth == Depth::Quick && plan.sets.iter().any(same);
            if !joined {
                running.give_up(plan.sets.iter().any(|set| job.starts_within(plan, set)));
            }
            joined.then(|| running.end.clone())
        });
        if let Some(mut end) = end {
            let _ = tokio::time::timeout_at(until.into(), async { while end.changed().await.is_ok() {} }).await;
        }
        Some(urgent)
    }

    /// Works on the queue, if nobody does.
    pub(super) fn start_work(self: &Arc<Self>) {
        let Some(live) = self.live() else { return };
        let mut state = live.work.state();
        if !state.worker && !state.queue.is_empty() {
            state.worker = true;
            tokio::spawn(Arc::clone(self).work());
        }
    }

    async fn work(self: Arc<Self>) {
        let Some(live) = self.live() else { return };
        let pace = &live.work.pace;
        loop {
            if pace.step().await == Manner::Hurry {
                pace.quiet().await;
                continue;
            }
            if live.is_forsaken() {
                return;
            }
            let Some(job) = live.work.next() else { return };
            if job.depth == Depth::Full {
                tokio::time::sleep(CALM).await;
                let newer = live.work.state().queue.iter().any(|job| job.depth == Depth::Quick);
                if newer || pace.is_awaited() || pace.hush_left().is_some() {
                    live.work.again(Job { tries: 0, ..job });
                    continue;
                }
            }
            self.judge_quietly(job).await;
        }
    }

    async fn judge_quietly(self: &Arc<Self>, job: Job) {
        let Some(live) = self.live() else { return };
        let (halt, halt_chain) = (CancellationToken::new(), CancellationToken::new());
        let (_end, end) = watch::channel(());
        {
            let mut state = live.work.state();
            if state.wanted.get(&job.subject) != Some(&job.print) {
                return;
            }
            let (halt, halt_chain) = (halt.clone(), halt_chain.clone());
            state.running = Some(Running { job: job.clone(), halt, halt_chain, end });
        }
        let mut moment = Moment { halt: halt.clone(), halt_chain, ..job.moment(job.depth) }.paced(&live.work.pace);
        if job.depth == Depth::Quick {
            let set = &job.plan.sets[0];
            let judged = (0..set.chain.migrations.len()).filter(|at| set.is_judged(*at, job.plan.mode));
            let versions = judged.map(|at| set.chain.migrations[at].version.clone()).collect();
            live.board.started(&job.subject, job.print, versions);
            let (service, subject) = (Arc::clone(self), job.subject.clone());
            moment.steps = Some(Arc::new(move |version, step| {
                if let Some(live) = service.live() {
                    live.board.step(&subject, version, step);
                }
            }));
        }
        let started = Instant::now();
        let quiet: Progress = Arc::new(|_| {});
        let outcome = Arc::clone(self).judge(Arc::clone(&job.plan), moment, quiet).await;
        live.work.state().running = None;
        match outcome {
            Ok(report) => {
                let verdict = report.verdicts.into_iter().next();
                if let Some(verdict) = verdict {
                    self.gave(&verdict);
                    live.board.judged(&job.subject, job.print, verdict);
                }
                if job.depth == Depth::Quick && self.known(&job).is_some_and(|(_, depth)| depth == Depth::Quick) {
                    live.work.again(Job { depth: Depth::Full, tries: 0, ..job });
                }
            }
            Err(_) if halt.is_cancelled() => live.work.again(job),
            Err(error) => {
                tracing::info!(%error, set = job.subject.set, "not judged in the background");
                let repo = job.subject.repo.clone();
                let report = failed(&error, &repo, job.plan.mode, started);
                let verdict = report.verdicts.into_iter().next();
                if let Some(verdict) = verdict.filter(|_| job.depth == Depth::Quick) {
                    let verdict = crate::verdict::Verdict { set: job.subject.set.clone(), ..verdict };
                    live.board.judged(&job.subject, job.print, verdict);
                }
            }
        }
    }
}
