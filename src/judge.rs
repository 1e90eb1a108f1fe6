//! The judgement: plan, lease, trace, checks, verdict. The same path with and without the daemon.

mod both_orders;
mod build;
mod constants;
mod database;
mod digests;
mod downs;
mod draft;
mod error;
mod key;
mod leak;
mod loss;
pub mod plan;
mod reading;
mod report;
mod run;
mod scenarios;
mod settle;
mod together;
mod verdicts;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

pub use draft::Draft;
pub use error::Error;
pub use key::Server;
pub use plan::{Kept, Plan, Query, SetPlan};
pub(crate) use run::study;
pub use verdicts::{Figures, Verdicts};

use crate::engine::Info;
use crate::engine::pace::Pace;
use crate::layout;
use crate::pool::Pool;
use crate::verdict::{Finding, Mode, Outcome, Report, SCHEMA, Timing, Verdict};

/// One server with its databases, and what it has already judged.
pub struct Bench {
    pool: Arc<Pool>,
    /// One migration at a time: roles are shared by all databases. A long judgement lets others in between.
    turn: tokio::sync::Mutex<()>,
    /// Somebody waits for a verdict: what is done ahead gives up its turn.
    urgent: tokio::sync::Notify,
    /// How many do, and are not done: between the turns of a long judgement nothing is done ahead.
    judging: tokio::sync::watch::Sender<usize>,
    verdicts: Arc<Verdicts>,
    /// What became of scenarios.
    scenarios: scenarios::Kept,
    /// The durations of the last judgements, newest last.
    recent: Mutex<VecDeque<(String, Outcome, f64)>>,
    /// What templates' schemas are for the search for rows.
    schemas: crate::rows::Schemas,
}

/// A judgement that is not done.
struct Judging<'a>(&'a tokio::sync::watch::Sender<usize>);

impl Drop for Judging<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|judging| *judging = judging.saturating_sub(1));
    }
}

/// Told how far a long judgement is, in one line.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Told the version of a migration and what is being done with it.
pub type Steps<'a> = &'a (dyn Fn(&str, &str) + Send + Sync);

/// How one judgement is to be made.
#[derive(Clone, Copy)]
pub struct Order<'a> {
    /// The repository, for the verdict.
    pub repo: &'a str,
    /// When the request came in.
    pub started: Instant,
    /// When the verdict must be there.
    pub deadline: Instant,
    /// Until when the chain before it may go on being built, for the next try.
    pub patience: Instant,
    /// How deeply rows are searched for.
    pub depth: Depth,
    /// Where, and how often in a row, the server has crashed in this judgement already: again, and it is the migration.
    pub crashed: Option<(&'a str, u32)>,
    /// Told how far it is.
    pub progress: Progress<'a>,
    /// Told each step.
    pub steps: Steps<'a>,
    /// Ends the judgement early: nobody wants it any more, or somebody else waits. The chain before what is judged goes on
    /// being built.
    pub halt: &'a CancellationToken,
    /// Ends that too: nobody will go on from there.
    pub halt_chain: &'a CancellationToken,
    /// Set where nobody waits: then the chain before what is judged is built as this allows.
    pub pace: Option<&'a Arc<Pace>>,
}

/// How deeply rows are searched for that break a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// As long as a commit can wait.
    Quick,
    /// As long as it is worth.
    Full,
}

impl Bench {
    /// A bench on the databases of `pool`. What it judges is kept in `verdicts`.
    pub fn new(pool: Arc<Pool>, verdicts: Arc<Verdicts>) -> Bench {
        Bench {
            pool,
            schemas: crate::rows::Schemas::default(),
            turn: tokio::sync::Mutex::default(),
            urgent: tokio::sync::Notify::new(),
            judging: tokio::sync::watch::Sender::default(),
            verdicts,
            scenarios: scenarios::Kept::default(),
            recent: Mutex::default(),
        }
    }

    /// The databases.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Set, outcome and milliseconds of the last judgements, newest last.
    pub fn recent(&self) -> Vec<(String, Outcome, f64)> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Judges every set of `plan`. A set that could not be judged has a verdict that says why.
    pub async fn judge(&self, plan: &Plan, order: Order<'_>) -> Result<Report, Error> {
        let mut verdicts = Vec::new();
        for set in &plan.sets {
            verdicts.push(self.judge_set(plan, set, order).await?);
        }
        Ok(Report::new(order.repo, plan.mode, ms(order.started.elapsed()), verdicts))
    }

    async fn judge_set(&self, plan: &Plan, set: &SetPlan, order: Order<'_>) -> Result<Verdict, Error> {
        let info = self.pool.engine().info();
        let prefixes = prefixes(set, info);
        let server = Server::of(info);
        let key = key::of(plan, set, &server, self.verdicts.build());
        if let Some(verdict) = self.verdicts.find(&key, order.depth) {
            self.verdicts.count(true);
            return Ok(handed_out(verdict, plan, set, &order));
        }
        self.verdicts.count(false);
        let _judging = self.begin();
        let mut timings = vec![Timing { step: "plan".to_owned(), ms: ms(order.started.elapsed()) }];
        let work = run::Work { pool: &self.pool, plan, set, prefixes: &prefixes, schemas: &self.schemas, order };
        let mut judged = run::Judged::new(plan, set);
        match work.judge(&self.turn, &mut timings, &mut judged).await {
            Err(Error::Deadline) if plan.mode == Mode::All && !judged.ran.is_empty() => {
                judged.findings.push(report::unfinished(&judged, &set.chain.migrations));
            }
            done => {
                done?;
                work.scenarios(&self.turn, &self.scenarios, &mut judged, &mut timings).await?;
            }
        }
        let mut findings = set.findings.clone();
        // What the files alone give away is said better by whoever knows the base.
        findings.retain(|own| !judged.findings.iter().any(|known| known.code == own.code && known.path == own.path));
        findings.extend(info.mismatch.as_ref().map(|said| {
            let help = "judge on production's version: see `[engine]` in migd.toml";
            Finding::new("engine.version", crate::check::default_severity("engine.version"), said).help(help)
        }));
        findings.extend(judged.findings);
        let findings = settle::findings(findings, set, &plan.config, &judged.ran);
        let assumptions = settle::assumptions(&findings, set, &judged.ran);
        let verdict = Verdict {
            schema: SCHEMA,
            outcome: settle::outcome(&findings),
            repo: order.repo.to_owned(),
            set: set.name.clone(),
            mode: plan.mode,
            cached: false,
            elapsed_ms: ms(order.started.elapsed()),
            postgres: info.version.clone(),
            engine: info.kind.to_owned(),
            base: set.base.clone(),
            migrations: judged.migrations,
            scenarios: judged.scenarios,
            scenario_folder: set.scenario_folder.clone(),
            findings,
            assumptions,
            timings,
        };
        if let Some(depth) = judged.depth {
            self.verdicts.keep(key, &verdict, depth, server.shared);
        }
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.push_back((set.name.clone(), verdict.outcome, verdict.elapsed_ms));
        if recent.len() > 20 {
            recent.pop_front();
        }
        Ok(verdict)
    }

    /// Has what is done ahead give way until what is given back is dropped.
    fn begin(&self) -> Judging<'_> {
        self.judging.send_modify(|judging| *judging += 1);
        self.urgent.notify_waiters();
        Judging(&self.judging)
    }

    /// Runs the scenarios of every set of `plan`, or those in `files` alone, and judges nothing else.
    pub async fn scenarios(&self, plan: &Plan, files: &[String], order: Order<'_>) -> Result<Report, Error> {
        let info = self.pool.engine().info();
        let mut verdicts = Vec::new();
        for set in &plan.sets {
            let wanted = |file: &&crate::scenario::File| files.is_empty() || files.contains(&file.path);
            let own: Vec<_> = set.scenarios.iter().filter(wanted).collect();
            if own.is_empty() {
                continue;
            }
            let _judging = self.begin();
            let prefixes = prefixes(set, info);
            let work = run::Work { pool: &self.pool, plan, set, prefixes: &prefixes, schemas: &self.schemas, order };
            let mut judged = run::Judged::default();
            work.run_scenarios(&own, &self.turn, &scenarios::Kept::default(), &mut judged).await?;
            let findings = settle::findings(judged.findings, set, &plan.config, &[]);
            verdicts.push(Verdict {
                outcome: settle::outcome(&findings),
                elapsed_ms: ms(order.started.elapsed()),
                postgres: info.version.clone(),
                engine: info.kind.to_owned(),
                scenarios: judged.scenarios,
                ..Verdict::error(order.repo, &set.name, plan.mode, findings)
            });
        }
        Ok(Report::new(order.repo, plan.mode, ms(order.started.elapsed()), verdicts))
    }

    /// A scenario to go on with, for the migration that `version` means.
    pub async fn draft(&self, plan: &Plan, version: &str, order: Order<'_>) -> Result<Draft, Error> {
        let found = |set: &SetPlan| crate::scenario::position(version, &set.chain.migrations);
        let mut sets = plan.sets.iter().filter_map(|set| Some((set, found(set)?)));
        let (Some((set, at)), None) = (sets.next(), sets.next()) else {
            return Err(Error::no_such_version(version, plan.sets.iter().filter(|set| found(set).is_some()).count()));
        };
        let prefixes = prefixes(set, self.pool.engine().info());
        let work = run::Work { pool: &self.pool, plan, set, prefixes: &prefixes, schemas: &self.schemas, order };
        let _turn = self.turn.lock().await;
        work.draft(at).await
    }

    /// [`Bench::prepare`] in the background: for the sets that passed, until somebody waits for a verdict.
    pub async fn prepare_quietly(&self, plan: &Plan, passed: &[bool], order: Order<'_>) -> Result<(), Error> {
        for (set, passed) in plan.sets.iter().zip(passed) {
            let prefixes = prefixes(set, self.pool.engine().info());
            let work = run::Work { pool: &self.pool, plan, set, prefixes: &prefixes, schemas: &self.schemas, order };
            let urgent = self.urgent.notified();
            let ahead = async {
                let _ = self.judging.subscribe().wait_for(|judging| *judging == 0).await;
                let _turn = self.turn.lock().await;
                if *passed {
                    return work.prepare().await.map(drop);
                }
                // What follows a migration that does not apply cannot be built.
                self.pool.refill_later(prefixes[set.first]);
                Ok(())
            };
            tokio::select! {
                outcome = ahead => outcome?,
                // Whoever it is makes ready anew afterwards.
                () = urgent => return Ok(()),
            }
        }
        Ok(())
    }

    /// Makes ready what the next judgement of these sets will want: the templates before and after what changed, and
    /// clones of them.
    ///
    /// For each set, what is wrong with the first migration that does not apply.
    pub async fn prepare(&self, plan: &Plan, order: Order<'_>) -> Result<Vec<Option<Finding>>, Error> {
        let mut broken = Vec::new();
        for set in &plan.sets {
            let prefixes = prefixes(set, self.pool.engine().info());
            let work = run::Work { pool: &self.pool, plan, set, prefixes: &prefixes, schemas: &self.schemas, order };
            let turn = self.turn.lock().await;
            broken.push(work.prepare().await?);
            drop(turn);
        }
        Ok(broken)
    }
}

/// The prefix hashes of a set's chain on one server: equal if and only if the databases are.
fn prefixes(set: &SetPlan, info: &Info) -> Vec<blake3::Hash> {
    prefixes_on(&[env!("CARGO_PKG_VERSION"), &info.version, info.kind], set)
}

/// The same for what `server` tells from others.
fn prefixes_on(server: &[&str], set: &SetPlan) -> Vec<blake3::Hash> {
    let mut seed = blake3::Hasher::new();
    for part in server.iter().chain(&[set.layout.name()]) {
        seed.update(part.as_bytes()).update(&[0]);
    }
    // Without a migration there is nobody who makes the runner's own table: such a database is another one.
    seed.update(&[u8::from(set.chain.migrations.is_empty())]);
    for source in &set.setup {
        seed.update(source.text.as_bytes()).update(&[0]);
    }
    layout::prefix_hashes(&seed.finalize(), &set.chain.migrations)
}

/// The report that the kept verdicts make; none unless there is one for every set. Needs no running server.
pub fn kept(verdicts: &Verdicts, server: &Server, plan: &Plan, order: Order<'_>) -> Option<Report> {
    let find = |set| {
        let verdict = verdicts.find(&key::of(plan, set, server, verdicts.build()), order.depth)?;
        Some(handed_out(verdict, plan, set, &order))
    };
    let found = plan.sets.iter().map(find).collect::<Option<Vec<Verdict>>>()?;
    found.iter().for_each(|_| verdicts.count(true));
    Some(Report::new(order.repo, plan.mode, ms(order.started.elapsed()), found))
}

/// Tells what is judged of `set` from all else, whatever server and build would judge it.
pub fn fingerprint(plan: &Plan, set: &SetPlan) -> blake3::Hash {
    key::of(plan, set, &Server::default(), "")
}

/// Whether the database that a judgement of `set` starts from is one that the judgement of `other` comes by: then it is
/// worth making, whichever of the two is given up. `plan` and `other_plan` are what they belong to.
pub fn starts_within(plan: &Plan, set: &SetPlan, other_plan: &Plan, other: &SetPlan) -> bool {
    let from = (0..set.chain.migrations.len()).find(|at| set.is_judged(*at, plan.mode));
    let start = from.and_then(|at| prefixes_on(&[], set).get(at).copied());
    plan.config.engine == other_plan.config.engine
        && start.is_some_and(|start| prefixes_on(&[], other).contains(&start))
}

/// A kept verdict, as it is for whoever asks now.
fn handed_out(verdict: Verdict, plan: &Plan, set: &SetPlan, order: &Order<'_>) -> Verdict {
    Verdict {
        cached: true,
        repo: order.repo.to_owned(),
        mode: plan.mode,
        base: set.base.clone(),
        elapsed_ms: ms(order.started.elapsed()),
        ..verdict
    }
}

fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1000.0
}
