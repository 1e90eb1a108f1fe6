//! What a request comes to, with or without a daemon around it.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::engines::{self, Engines};
use super::live::{Asked, Home, Live};
use super::moment::Moment;
use super::status::{EngineStatus, Given, Judgement, Why};
use crate::config::{Config, Unavailable};
use crate::engine::pace::Pace;
use crate::engine::{Place as EnginePlace, Progress};
use crate::judge::{self, Bench, Depth, Error, Kept, Order, Plan, Query, Verdicts, plan};
use crate::repo::{Location, Repo};
use crate::verdict::{Mode, Outcome, Report, Severity, Verdict};
use crate::wire::{CheckRequest, Endpoint, Place, Selection, endpoint, env};

/// How many of the last verdicts `migd status` knows.
const GIVEN: usize = 20;

/// How much longer than its budget an audit may take to end by itself.
const GRACE: Duration = Duration::from_secs(3);

/// How long the background may take to make the next judgement's templates.
pub const PREPARE: Duration = Duration::from_secs(600);
/// How long git is given to finish the commit before the machine is busy with the next judgement's databases.
const AFTERWARDS: Duration = Duration::from_millis(40);

/// Judges; keeps servers, contents and verdicts between judgements.
pub struct Service {
    engines: Engines,
    kept: Arc<Kept>,
    seen: Mutex<Seen>,
    /// None in a process that ends after one judgement.
    live: Option<Live>,
    pace: Arc<Pace>,
    given: Mutex<VecDeque<(Instant, Given)>>,
}

#[derive(Clone, Copy)]
struct Seen {
    used: Instant,
    rest: Duration,
}

/// What a judgement came to.
pub enum Reported {
    /// The tree changes no set: nothing to say.
    Untouched,
    /// A report, and whether the commit goes on.
    Report {
        /// The report.
        report: Box<Report>,
        /// The exit status that it stands for, with `hook.unavailable` taken into account.
        exit: u8,
    },
}

/// What a request turned out to ask for, before anything is run.
pub struct Prepared {
    plan: Arc<Plan>,
    repo: String,
    home: Option<Home>,
    /// How long the client may wait.
    pub budget: Duration,
    /// Whether a commit is refused when no verdict can be had.
    pub block: bool,
}

impl Prepared {
    /// The repository's work tree, or its git folder.
    pub(super) fn repo(&self) -> &str {
        &self.repo
    }

    /// Whether there is something to watch; else why not, and what to do.
    pub(super) fn may_be_watched(&self) -> Result<(), (String, String)> {
        let why = |message: &str, help: &str| Err((message.to_owned(), help.to_owned()));
        match &self.home {
            None => why("a bare repository has no files to watch", "run it in a work tree"),
            Some(_) if !self.plan.config.watch.enabled => {
                why("nothing is watched here", "`enabled = true` under `[watch]` in migd.toml turns it on")
            }
            Some(_) if self.plan.known == 0 => {
                let error = Error::no_sets();
                Err((format!("{error} [{}]", error.code()), error.help()))
            }
            Some(_) => Ok(()),
        }
    }

    /// Whether the tree changes no set.
    pub fn is_untouched(&self) -> bool {
        self.plan.sets.is_empty()
    }
}

impl Service {
    /// A service with nothing running yet.
    ///
    /// `alone`: in a process that ends after one judgement, beside whatever daemon there is.
    pub fn new(endpoint: &Endpoint, alone: bool) -> Service {
        let mut owner = blake3::Hasher::new();
        owner.update(endpoint.runtime.as_os_str().as_encoded_bytes());
        owner.update(&rustix::process::getuid().as_raw().to_le_bytes());
        let place = EnginePlace {
            runtime: endpoint.runtime.clone(),
            state: endpoint.state.clone(),
            owner: owner.finalize().to_hex()[..8].to_owned(),
            env: engines::environment(),
        };
        let rest = crate::config::Daemon::default().idle;
        let build = endpoint::program().map(|program| endpoint::build_of(&program)).unwrap_or_default();
        let verdicts = Verdicts::of(&endpoint.state, &build);
        // A process that ends now does not wait for what is written aside.
        let verdicts = Arc::new(if alone { verdicts.in_place() } else { verdicts });
        let pace = Arc::<Pace>::default();
        Service {
            engines: Engines::new(place, alone, verdicts, Arc::clone(&pace)),
            kept: Arc::default(),
            seen: Mutex::new(Seen { used: Instant::now(), rest }),
            live: (!alone).then(|| Live::new(&endpoint.state, &pace)),
            pace,
            given: Mutex::default(),
        }
    }

    /// What is watched; none in a process that ends after one judgement.
    pub(crate) fn live(&self) -> Option<&Live> {
        self.live.as_ref()
    }

    pub(super) fn engines_in_use(&self) -> &Engines {
        &self.engines
    }

    /// Contents that were read before.
    pub(super) fn kept_files(&self) -> Arc<Kept> {
        Arc::clone(&self.kept)
    }

    /// Reads the repository: the configuration, the sets, what changed. Runs nothing, starts nothing.
    pub async fn prepare(&self, request: &CheckRequest) -> Result<Prepared, Error> {
        if let Some(live) = self.live.as_ref().filter(|_| request.hook) {
            live.hush();
        }
        // In place: another thread would have to be woken up first, or made, and a commit waits.
        let reading = AssertUnwindSafe(|| read(request, &self.kept));
        let read = tokio::task::block_in_place(|| std::panic::catch_unwind(reading));
        let prepared = read.map_err(|_| Error::Lost("reading the repository failed".to_owned()))??;
        self.touch(Some(&prepared.plan.config));
        // Once more: git's time is counted from the answer, and a commit that touches no set has it now.
        if let Some(live) = self.live.as_ref().filter(|_| request.hook) {
            live.hush();
        }
        if let (Some(live), Some(home)) = (&self.live, &prepared.home) {
            live.serve(home, &request.place.env, &prepared.plan.config, prepared.plan.known);
        }
        Ok(prepared)
    }

    /// Judges what was prepared, within its budget.
    pub async fn check(self: &Arc<Self>, request: &CheckRequest, prepared: &Prepared, progress: Progress) -> Reported {
        let started = Instant::now();
        let plan = &prepared.plan;
        if plan.sets.is_empty() && request.hook {
            return Reported::Untouched;
        }
        let order = Moment {
            repo: prepared.repo.clone(),
            started,
            deadline: started + prepared.budget,
            patience: started + plan.config.limits.judgement.max(prepared.budget),
            depth: if request.hook || !request.overlays.is_empty() { Depth::Quick } else { Depth::Full },
            fleeting: !request.overlays.is_empty(),
            ..Moment::aside(prepared.repo.clone())
        };
        // Where nobody waits for this any more, somebody waits for the next.
        let asked = Asked::new(self, plan, &order);
        let until = order.deadline;
        let outcome = if let Some(files) = &request.scenarios {
            let work = Arc::clone(self).scenarios(Arc::clone(plan), files.clone(), order.clone(), progress);
            match tokio::time::timeout(prepared.budget, work).await {
                Ok(outcome) => outcome,
                Err(_) => Err(Error::Deadline),
            }
        } else if plan.sets.iter().all(is_settled) {
            Ok(Report::new(&order.repo, plan.mode, elapsed_ms(started), Vec::new()))
        } else if let Some(report) = self.kept(plan, &order) {
            Ok(report)
        } else {
            // An audit of a whole history takes its turns among the others.
            let urgent = match plan.mode {
                Mode::All => None,
                Mode::Staged | Mode::Worktree => self.first(plan, &prepared.repo, until).await,
            };
            // As long as that is held, nothing of it is slow.
            let order = if urgent.is_some() { order.paced(&self.pace) } else { order };
            self.judged_by(plan, order, progress).await
        };
        // Past its deadline the chain goes on being built, for the next try.
        asked.answered();
        if let (Some(live), Ok(report)) = (&self.live, &outcome) {
            live.remember(plan, report);
        }
        if let Some(live) = self.live.as_ref().filter(|_| request.hook) {
            live.hush();
        }
        self.touch(None);
        let mut report = match outcome {
            Ok(report) => report,
            Err(error) => self.failed_for(&error, &request.place, &prepared.repo, plan.mode, started),
        };
        if report.verdicts.is_empty() && plan.known == 0 {
            report = failed(&Error::no_sets(), &prepared.repo, plan.mode, started);
        }
        report.verdicts.iter().for_each(|verdict| self.gave(verdict));
        let exit = exit(&report, !prepared.block && request.hook);
        Reported::Report { report: Box::new(report), exit }
    }

    /// Judges until the deadline. On its own task: the chain goes on being built for the next try.
    async fn judged_by(self: &Arc<Self>, plan: &Arc<Plan>, order: Moment, progress: Progress) -> Result<Report, Error> {
        // What the background was just at may have been this.
        if let Some(report) = self.kept(plan, &order) {
            return Ok(report);
        }
        // An audit ends by itself, with what it has by then.
        let grace = if plan.mode == Mode::All { GRACE } else { Duration::ZERO };
        let left = order.deadline.saturating_duration_since(Instant::now()) + grace;
        let work = tokio::spawn(Arc::clone(self).judge(Arc::clone(plan), order, progress));
        match tokio::time::timeout(left, work).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panic)) => Err(Error::Lost(format!("the judgement broke off: {panic}"))),
            Err(_) => Err(Error::Deadline),
        }
    }

    /// Runs the scenarios in `files`, or all.
    async fn scenarios(
        self: Arc<Self>,
        plan: Arc<Plan>,
        files: Vec<String>,
        order: Moment,
        progress: Progress,
    ) -> Result<Report, Error> {
        let known = || plan.sets.iter().flat_map(|set| &set.scenarios);
        if let Some(stranger) = files.iter().find(|path| known().all(|file| file.path != **path)) {
            let folders: Vec<&str> = plan.sets.iter().map(|set| set.scenario_folder.as_str()).collect();
            return Err(Error::no_such_scenario(stranger, &folders));
        }
        let bench = self.engines.bench(&plan.config, &progress).await?;
        bench.scenarios(&plan, &files, order.with(&*progress)).await
    }

    /// A scenario to go on with, for the migration that `version` means.
    pub async fn draft(&self, prepared: &Prepared, version: &str, progress: Progress) -> Result<judge::Draft, Error> {
        let bench = self.engines.bench(&prepared.plan.config, &progress).await?;
        let order = Moment::aside(prepared.repo.clone());
        bench.draft(&prepared.plan, version, order.with(&*progress)).await
    }

    /// What is known without judging anything, and without a server that runs.
    fn kept(self: &Arc<Self>, plan: &Arc<Plan>, order: &Moment) -> Option<Report> {
        let server = self.engines.server(&plan.config)?;
        let report = judge::kept(self.engines.verdicts(), &server, plan, order.with(&|_| {}))?;
        if let Some(bench) = self.engines.warm(&plan.config) {
            self.prepare_later(Arc::clone(plan), bench, &report, order.fleeting);
        }
        Some(report)
    }

    /// Judges, once more on a new server when the first was lost, and makes the next judgement's databases ready.
    pub(super) async fn judge(
        self: Arc<Self>,
        plan: Arc<Plan>,
        order: Moment,
        progress: Progress,
    ) -> Result<Report, Error> {
        let mut tries = 0;
        let mut crashes: Vec<String> = Vec::new();
        loop {
            tries += 1;
            let bench = self.engines.bench(&plan.config, &progress).await?;
            // On a clone, on another one, and now on another server.
            let crashed = crashes.first().filter(|first| crashes.len() == 2 && crashes.iter().all(|at| at == *first));
            let crashed = crashed.map(|at| (at.as_str(), 2));
            let outcome = bench.judge(&plan, Order { crashed, ..order.with(&*progress) }).await;
            if let Err(Error::Crashed(at) | Error::Full(at, _)) = &outcome {
                crashes.push(at.clone());
            }
            match outcome {
                Err(error) if error.is_loss() && tries < 3 && Instant::now() < order.deadline => {
                    tracing::warn!(%error, "the server was lost while it judged");
                    if !bench.pool().engine().alive().await || tries == 2 {
                        self.engines.lost(&plan.config, &bench).await;
                    } else {
                        // It is recovering from a crash of one of its processes.
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                }
                other => {
                    if let Ok(report) = &other {
                        self.prepare_later(plan, bench, report, order.fleeting);
                    }
                    return other;
                }
            }
        }
    }

    /// Makes the databases of the judgement after `report` ready, aside.
    fn prepare_later(self: &Arc<Self>, plan: Arc<Plan>, bench: Arc<Bench>, report: &Report, fleeting: bool) {
        // Nothing follows on a text that is still being typed: only the state before it is wanted again.
        let last = |verdict: &Verdict| verdict.outcome < Outcome::Fail && !fleeting;
        let passed: Vec<bool> = report.verdicts.iter().map(last).collect();
        self.ready_later(plan, bench, report.repo.clone(), passed);
    }

    /// Makes the databases ready that the next judgement of `plan`'s sets will want, aside; where a set has `passed`, those
    /// after it too.
    pub(super) fn ready_later(self: &Arc<Self>, plan: Arc<Plan>, bench: Arc<Bench>, repo: String, passed: Vec<bool>) {
        let order = Moment::aside(repo).paced(&self.pace);
        tokio::spawn(async move {
            tokio::time::sleep(AFTERWARDS).await;
            if let Err(error) = bench.prepare_quietly(&plan, &passed, order.with(&|_| {})).await {
                tracing::warn!(%error, "the next judgement's databases were not made ready");
            }
        });
    }

    /// Starts the engine for the repository at `place` and makes its sets' databases ready. What there is now, in words.
    /// Without a `progress`, nobody waits for it.
    pub async fn warm(
        self: &Arc<Self>,
        place: Place,
        selection: Selection,
        progress: Option<Progress>,
    ) -> Result<Vec<String>, Error> {
        let waited_for = progress.is_some();
        let progress = progress.unwrap_or_else(|| Arc::new(|_| {}));
        let prepared = self.prepare(&CheckRequest::new(place, selection)).await?;
        if prepared.plan.sets.is_empty() {
            return Err(Error::no_sets());
        }
        let bench = self.engines.bench(&prepared.plan.config, &progress).await?;
        let info = bench.pool().engine().info();
        let mut lines = vec![format!("PostgreSQL {} is ready ({}, {})", info.version, info.kind, info.source)];
        let now = Instant::now();
        let order = Moment::aside(prepared.repo);
        let order = if waited_for { order } else { order.paced(&self.pace) };
        let broken = bench.prepare(&prepared.plan, order.with(&*progress)).await?;
        let took = format!("all of it took {:.1} s", now.elapsed().as_secs_f64());
        for (set, broken) in prepared.plan.sets.iter().zip(broken) {
            lines.push(match broken {
                None => match set.chain.migrations.len() {
                    1 => format!("{}: 1 migration applies", set.name),
                    count => format!("{}: {count} migrations apply", set.name),
                },
                Some(finding) => {
                    let place = finding.path.unwrap_or_default();
                    let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
                    let help = finding.help.map(|help| format!("\n  help: {help}")).unwrap_or_default();
                    format!("{}: {place}{line}: {}{help}", set.name, finding.message)
                }
            });
        }
        lines.push(took);
        Ok(lines)
    }

    /// The report that says why there is no verdict, and whether that may be because this process has another environment
    /// than whoever asks.
    pub(super) fn failed_for(&self, error: &Error, place: &Place, repo: &str, mode: Mode, started: Instant) -> Report {
        let mut report = failed(error, repo, mode, started);
        let differing = env::differing(&env::surroundings(), &place.env);
        // Where the container engine is, is looked for with the daemon's variables.
        let others: Vec<&str> = differing.into_iter().filter(|name| *name != "XDG_CONFIG_HOME").collect();
        if self.live.is_some() && matches!(error, Error::Engine(_)) && !others.is_empty() {
            let hint = format!(
                "the daemon was started with another {} than this has: `migd restart` gives it yours",
                others.join(" and ")
            );
            for finding in report.verdicts.iter_mut().flat_map(|verdict| &mut verdict.findings) {
                finding.help = Some(match finding.help.take() {
                    Some(help) if !help.is_empty() => format!("{help}; {hint}"),
                    _ => hint.clone(),
                });
            }
        }
        report
    }

    /// Notes a verdict that somebody was given.
    pub(super) fn gave(&self, verdict: &Verdict) {
        let given = Given {
            repo: verdict.repo.clone(),
            set: verdict.set.clone(),
            mode: verdict.mode,
            outcome: verdict.outcome,
            cached: verdict.cached,
            ms: verdict.elapsed_ms,
            age_s: 0,
            why: (verdict.outcome == Outcome::Error).then(|| why(verdict)).flatten(),
        };
        let mut all = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        all.push_back((Instant::now(), given));
        if all.len() > GIVEN {
            all.pop_front();
        }
    }

    /// The last verdicts, newest last.
    pub(super) fn given(&self) -> Vec<Given> {
        let all = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(at, given)| Given { age_s: at.elapsed().as_secs(), ..given.clone() }).collect()
    }

    /// What each engine needs, and whether it is there.
    pub async fn probe(&self, config: &crate::config::Engine) -> Vec<crate::engine::ProbeLine> {
        self.engines.probe(config).await
    }

    /// Whether no other process has the daemon's server of `config`.
    pub fn free(&self, config: &crate::config::Engine) -> Result<(), crate::engine::Error> {
        self.engines.free(config)
    }

    /// Starts a server as a judgement would, beside whatever runs, and stops it. What it was.
    pub async fn trial(&self, config: &crate::config::Engine) -> Result<String, crate::engine::Error> {
        self.engines.trial(config).await
    }

    /// The servers that run.
    pub fn engines(&self) -> Vec<EngineStatus> {
        let describe = |bench: &Arc<Bench>| {
            let info = bench.pool().engine().info();
            let recent = bench.recent().into_iter().map(|(set, outcome, ms)| Judgement { set, outcome, ms });
            EngineStatus {
                kind: info.kind.to_owned(),
                version: info.version.clone(),
                source: info.source.clone(),
                tmpfs: info.tmpfs,
                pid: info.pid,
                pool: bench.pool().figures(),
                recent: recent.collect(),
            }
        };
        self.engines.running().iter().map(describe).collect()
    }

    /// Ends when there has been nothing to do for as long as the configuration says; stops idle servers meanwhile.
    pub async fn idle(&self) {
        loop {
            let engine = self.engines.rest().await;
            let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let own = seen.used + seen.rest;
            if engine.is_none() && own <= Instant::now() {
                // Somebody looks at what the next change brings.
                if self.live.as_ref().is_none_or(|live| live.board.readers() == 0) {
                    return;
                }
                self.touch(None);
                continue;
            }
            let next = engine.map_or(own, |engine| engine.min(own)).max(Instant::now() + Duration::from_millis(50));
            tokio::time::sleep_until(next.into()).await;
        }
    }

    /// Stops all servers.
    pub async fn stop(&self) {
        self.engines.stop().await;
    }

    /// Tells those who watch that there will be no more.
    pub(super) fn close(&self) {
        if let Some(live) = &self.live {
            live.board.closing.cancel();
            live.remember_watched();
        }
    }

    pub(super) fn touch(&self, config: Option<&Config>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.used = Instant::now();
        if let Some(config) = config {
            seen.rest = config.daemon.idle;
        }
    }
}

/// Whether nothing of a set has to be run: its chain is what it was.
pub(super) fn is_settled(set: &judge::SetPlan) -> bool {
    let chain = &set.chain.migrations;
    let scenarios = set.scenarios_changed && !set.scenarios.is_empty();
    set.first == chain.len() && set.findings.is_empty() && !scenarios && chain.len() >= set.base_chain.migrations.len()
}

fn read(request: &CheckRequest, kept: &Kept) -> Result<Prepared, Error> {
    let location = Location { cwd: request.place.cwd.clone(), git_env: request.place.env.clone() };
    let mut repo = Repo::open(&location)?;
    repo.overlay(&request.overlays);
    let staged = request.selection != Selection::Worktree;
    let config = plan::kept_configuration(&repo, staged, &request.place.env, kept)?;
    // Whoever gives the search for rows more time waits for it.
    let patient = config.limits.judgement.max(config.rows.patience * 4);
    let budget = if request.hook { config.hook.budget } else { patient };
    let block = config.hook.unavailable == Unavailable::Block;
    let query = Query { selection: &request.selection, sets: &request.sets, touched_only: request.hook };
    let plan = plan::plan(&repo, config, kept, &query)?;
    let name = repo.root().unwrap_or(repo.git_dir()).to_string_lossy().into_owned();
    let home = repo.root().map(|root| Home {
        root: root.to_owned(),
        git_dir: repo.git_dir().to_owned(),
        common_dir: repo.common_dir().to_owned(),
    });
    Ok(Prepared { plan: Arc::new(plan), repo: name, home, budget, block })
}

/// The report that says why there is no verdict.
pub fn failed(error: &Error, repo: &str, mode: Mode, started: Instant) -> Report {
    let elapsed_ms = elapsed_ms(started);
    let verdict = Verdict { elapsed_ms, ..Verdict::error(repo, "", mode, vec![error.finding()]) };
    Report::new(repo, mode, elapsed_ms, vec![verdict])
}

/// Why there is no verdict.
fn why(verdict: &Verdict) -> Option<Why> {
    let finding = verdict.findings.iter().find(|finding| finding.severity == Severity::Error)?;
    let (code, message) = (finding.code.clone(), finding.message.clone());
    Some(Why { code, message, help: finding.help.clone().unwrap_or_default() })
}

fn elapsed_ms(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1000.0
}

/// The exit status of a report; `lenient`: a commit goes on when no verdict can be had.
pub fn exit(report: &Report, lenient: bool) -> u8 {
    let usage = report.verdicts.iter().flat_map(|v| &v.findings).any(|finding| finding.code.starts_with("config."));
    match report.outcome {
        Outcome::Error if lenient => 0,
        Outcome::Error if usage => 2,
        other => other.exit_code(),
    }
}
