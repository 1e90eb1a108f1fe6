//! One set's judgement on one server.

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use blake3::Hash;
use futures_util::future::{Either, select};

use super::digests::{self, digest_after, digest_of, touches_rows};
use super::loss::survives;
use super::report::report;
use super::{Depth, Error, Order, Plan, SetPlan, ms};
use super::{constants, database, reading};
use crate::catalog::{self, Difference, Snapshot};
use crate::check::{self, CHECKS, History, Subject};
use crate::engine::session::describe;
use crate::layout::{Migration, Source};
use crate::pool::{Held, Lease, Pool};
use crate::rows::{self, Found, Schema};
use crate::trace::apply::Bench;
use crate::trace::digest;
use crate::trace::elevate::Lend;
use crate::trace::settings::{self, Setting};
use crate::trace::{self, Cause, Failure, Limits, Run};
use crate::verdict::{Change, Finding, MigrationReport, Mode, ScenarioReport, Severity, Timing};

/// What one judgement works with.
pub(super) struct Work<'a> {
    pub(super) pool: &'a Arc<Pool>,
    pub(super) plan: &'a Plan,
    pub(super) set: &'a SetPlan,
    /// One more than there are migrations.
    pub(super) prefixes: &'a [Hash],
    /// What templates' schemas are for the search for rows.
    pub(super) schemas: &'a rows::Schemas,
    pub(super) order: Order<'a>,
}

/// What a judgement found.
#[derive(Default)]
pub(super) struct Judged {
    pub(super) migrations: Vec<MigrationReport>,
    pub(super) findings: Vec<Finding>,
    /// The positions in the chain of the migrations that were judged.
    pub(super) ran: Vec<usize>,
    /// How deeply rows were searched for; none where there was no time to, or not for every scenario.
    pub(super) depth: Option<Depth>,
    /// Whether every migration of the chain applies, as far as it was looked at.
    pub(super) whole: bool,
    /// What became of the scenarios.
    pub(super) scenarios: Vec<ScenarioReport>,
}

/// Up, down, up of one migration, with what each left behind.
#[derive(Default)]
pub(super) struct Observed {
    up: Option<Run>,
    effect: Vec<Difference>,
    pub(super) after_up: Option<Snapshot>,
    /// What up leaves changed in its session.
    pub(super) left: Vec<Setting>,
    /// In an audit, what up made, by kind.
    made: BTreeMap<String, usize>,
    down: Option<Run>,
    after_down: Vec<Difference>,
    rows_after_down: Vec<String>,
    again: Option<Run>,
    after_again: Vec<Difference>,
    compare_ms: f64,
    /// Making the session a new one, twice.
    fresh_ms: f64,
    /// The schema before up and after it, for the search for rows.
    schemas: Option<(Arc<Schema>, Schema)>,
    rows: Option<Found>,
}

impl Observed {
    /// What has been run so far.
    pub(super) fn runs(&self) -> impl Iterator<Item = &Run> {
        [&self.up, &self.down, &self.again].into_iter().flatten()
    }

    /// Whether what else goes on on the server may have stopped the migration: its session ended, or what it was about to
    /// change in the server's own tables was changed by another.
    fn was_disturbed(&self) -> bool {
        self.runs().filter_map(|run| run.failure.as_ref()).any(|failure| match &failure.cause {
            Cause::ConnectionLost(_) => true,
            Cause::Server(error) => error.sqlstate == "XX000" && error.message.starts_with("tuple concurrently "),
            _ => false,
        })
    }
}

impl Judged {
    /// Nothing yet, but what the files' history says.
    pub(super) fn new(plan: &Plan, set: &SetPlan) -> Judged {
        let findings = history(plan, set);
        Judged { findings, depth: Some(Depth::Full), ..Judged::default() }
    }
}

impl Work<'_> {
    /// Judges what changed, in the order of the chain; stops at the first migration that does not apply.
    ///
    /// Takes its turn anew for every migration.
    pub(super) async fn judge(
        &self,
        turn: &tokio::sync::Mutex<()>,
        timings: &mut Vec<Timing>,
        judged: &mut Judged,
    ) -> Result<(), Error> {
        let chain = &self.set.chain.migrations;
        // What production has: in one change, its first migration's schema before.
        let mut production: Option<Arc<Schema>> = None;
        let mut left = None;
        // Where the database is, in applied migrations; what lies between is applied without being judged.
        for at in self.set.first..chain.len() {
            if !self.set.is_judged(at, self.plan.mode) {
                continue;
            }
            if self.plan.mode == Mode::All {
                (self.order.progress)(&format!("{}/{} {}", at + 1, chain.len(), chain[at].version));
            }
            let started = Instant::now();
            let _turn = self.wait_for(turn).await?;
            push(timings, "wait", started);
            let step = |step| (self.order.steps)(&chain[at].version, step);
            step("chain");
            let started = Instant::now();
            let (audit, chained) = (self.plan.mode == Mode::All, self.before_first(judged));
            let broken = if audit { chained.pass(at).await? } else { chained.advance(at).await? };
            if let Some(broken) = broken {
                judged.findings.push(broken);
                return Ok(());
            }
            if self.order.halt.is_cancelled() {
                return Err(Error::Halted);
            }
            push(timings, "chain", started);
            if chain[at].foreign.is_some() {
                judged.findings.extend(self.foreign(&chain[at]));
                return Ok(());
            }
            step("lease");
            let started = Instant::now();
            let lease = self.lease(at).await?;
            push(timings, "lease", started);
            // The search for rows wants one, and the chain, which goes on from here when this one is judged.
            let goes_on = at + 1 < chain.len() && self.set.is_judged(at + 1, self.plan.mode);
            if if audit { self.plan.config.rows.enabled } else { goes_on } {
                self.pool.next_later(self.prefixes[at]);
            }
            let mut observed = self.observe(&lease, at).await?;
            drop(lease);
            if observed.was_disturbed() {
                // Somebody else may have ended it, as a migration judged before that ends all that it can. If this one
                // does so itself, it does so again.
                observed = self.observe(&self.lease(at).await?, at).await?;
            }
            if let Some((before, _)) = observed.schemas.as_ref() {
                step("rows");
                let started = Instant::now();
                if production.is_none() || self.plan.mode == Mode::All {
                    production = Some(Arc::clone(before));
                }
                let known = production.as_ref().unwrap_or(before);
                observed.rows = self.search(at, &observed, known).await?;
                let deep = observed.rows.as_ref().map(|found| match found.complete {
                    true => Depth::Full,
                    false => self.order.depth,
                });
                judged.depth = judged.depth.min(deep);
                push(timings, "rows", started);
            }
            timings_of(&observed, timings);
            let subject = self.subject(at, &observed);
            judged.findings.extend(CHECKS.iter().flat_map(|check| check.migration(&subject)));
            judged.migrations.push(report(&subject, &observed.made));
            judged.ran.push(at);
            if !observed.up.as_ref().is_some_and(Run::ok) {
                return Ok(());
            }
            let started = Instant::now();
            left = self.carried(left.take(), at, &observed, &mut judged.findings).await?;
            push(timings, "session", started);
        }
        // The migrations after the last judged one must still apply.
        if judged.ran.last().is_some_and(|last| last + 1 < chain.len())
            || (judged.ran.is_empty() && self.set.first < chain.len())
        {
            let started = Instant::now();
            let _turn = self.wait_for(turn).await?;
            let broken = self.finish().await?;
            push(timings, "chain", started);
            if broken.is_some() {
                judged.findings.extend(broken);
                return Ok(());
            }
        }
        judged.whole = true;
        if self.set.layout.is_one_transaction() {
            let started = Instant::now();
            let _turn = self.wait_for(turn).await?;
            judged.findings.extend(self.together(&judged.ran).await?);
            push(timings, "together", started);
        }
        if self.set.upstream_chain.is_some() {
            let started = Instant::now();
            judged.findings.extend(self.both_orders(turn).await?);
            push(timings, "both orders", started);
        }
        Ok(())
    }

    /// A clone of the schema before the migration at `at`.
    pub(super) async fn lease(&self, at: usize) -> Result<Held, Error> {
        self.pool.lease(&self.prefixes[at]).await?.ok_or_else(Error::no_template)
    }

    /// What builds the chain. Before the first migration that is judged it belongs to nobody's judgement.
    fn before_first(&self, judged: &Judged) -> Self {
        let halt = if judged.ran.is_empty() { self.order.halt_chain } else { self.order.halt };
        Work { order: Order { halt, ..self.order }, ..*self }
    }

    /// Until the verdict must be there.
    fn left(&self) -> Duration {
        self.order.deadline.saturating_duration_since(Instant::now())
    }

    /// Waits for the turn, no longer than the verdict can.
    pub(super) async fn wait_for<'t>(
        &self,
        turn: &'t tokio::sync::Mutex<()>,
    ) -> Result<tokio::sync::MutexGuard<'t, ()>, Error> {
        tokio::select! {
            turn = tokio::time::timeout(self.left(), turn.lock()) => turn.map_err(|_| Error::Deadline),
            () = self.order.halt.cancelled() => Err(Error::Halted),
        }
    }

    /// Makes the templates before and after what changed, and clones of them.
    ///
    /// The first migration that does not apply is said, as a finding.
    pub(super) async fn prepare(&self) -> Result<Option<Finding>, Error> {
        let (first, end) = (self.set.first, self.set.chain.migrations.len());
        for at in [first, end] {
            if let Some(broken) = self.advance(at).await? {
                return Ok(Some(broken));
            }
            if at == first {
                self.pool.refill_later(self.prefixes[at]);
            } else {
                // Once it is committed, it is what is refilled.
                self.pool.spare_later(self.prefixes[at]);
            }
        }
        Ok(None)
    }

    async fn observe(&self, lease: &Held, at: usize) -> Result<Observed, Error> {
        let migration = &self.set.chain.migrations[at];
        let mut seen = Observed::default();
        let books = self.set.layout.bookkeeping(migration);
        let (client, info) = (lease.observer.client(), self.pool.engine().info());
        let searched = self.plan.config.rows.enabled;
        let before = if searched { Some(self.schemas.of(lease).await.map_err(rows::Error::from)?) } else { None };
        let rows = match migration.down.is_some() && touches_rows(migration) {
            true => Some(lease.notes.get(digest_of(lease)).await?),
            false => None,
        };
        let own = database::facts(&lease.observer, migration).await?;
        let step = |step| (self.order.steps)(&migration.version, step);
        step("up");
        let up = pin!(self.run(lease, &migration.up, &books.applied));
        // The session that compares afterwards has nothing to do meanwhile.
        let rehearsal = pin!(reading::ahead(lease, info));
        let (up, rehearsal) = match select(up, rehearsal).await {
            Either::Left((up, rehearsal)) => (up?, Some(rehearsal)),
            Either::Right(((), up)) => (up.await?, None),
        };
        let go_on = up.ok() && !up.left_open;
        seen.up = Some(up);
        if !go_on {
            return Ok(seen);
        }
        if let Some(rehearsal) = rehearsal {
            let started = Instant::now();
            rehearsal.await;
            seen.compare_ms += ms(started.elapsed());
        }
        if let Some(before) = before {
            seen.schemas = Some((before, Schema::read(client).await.map_err(rows::Error::from)?));
        }
        let started = Instant::now();
        let down = migration.down.as_ref().filter(|_| self.set.layout.has_downs());
        // Two sessions, at once.
        let left = async {
            let left = match settings::may_leave(&migration.up) {
                true => settings::left(&lease.runner).await.map_err(|error| Error::Lost(describe(&error)))?,
                false => Vec::new(),
            };
            let fresh_ms = if down.is_some() { fresh_session(lease).await? } else { 0.0 };
            Ok::<_, Error>((left, fresh_ms))
        };
        let (after_up, left) = tokio::join!(reading::after(lease, info, &seen), left);
        let after_up = after_up?;
        (seen.left, seen.fresh_ms) = left?;
        seen.after_up = Some(after_up.clone());
        seen.effect = catalog::compare(&lease.before, &after_up);
        if self.plan.mode == Mode::All {
            seen.made = catalog::created(&lease.before, &after_up);
        }
        seen.compare_ms += ms(started.elapsed());
        let Some(down) = down else { return Ok(seen) };
        step("down");
        let run = self.run(lease, down, &books.reverted).await?;
        let go_on = run.ok();
        if matches!(&run.failure, Some(Failure { cause: Cause::Crashed(_), .. })) {
            // There is no server to search for rows on.
            seen.schemas = None;
        }
        seen.down = Some(run);
        if !go_on {
            return Ok(seen);
        }
        let started = Instant::now();
        let rows = rows.as_deref().and_then(Option::as_ref);
        let renewed = async {
            let fresh_ms = fresh_session(lease).await?;
            let ahead = match rows {
                Some(before) => Some(before.again(&lease.runner).await),
                None => None,
            };
            Ok::<_, Error>((fresh_ms, ahead))
        };
        let (after_down, renewed) = tokio::join!(reading::after(lease, info, &seen), renewed);
        let (after_down, (fresh_ms, ahead)) = (after_down?, renewed?);
        seen.fresh_ms += fresh_ms;
        seen.after_down = catalog::compare(&lease.before, &after_down);
        let own_after = database::facts(&lease.observer, migration).await?;
        let of_database = own.zip(own_after).map(|(before, after)| database::differences(&before, &after));
        if let (Some(before), Some(ahead)) = (rows, ahead)
            && let Some(after) = digest_after(lease, ahead).await?
        {
            seen.rows_after_down = digest::differences(before, &after);
        }
        seen.compare_ms += ms(started.elapsed());
        step("up again");
        let again = self.run(lease, &migration.up, &books.applied).await?;
        let go_on = again.ok();
        seen.again = Some(again);
        let started = Instant::now();
        // A second build has roles of its own: it waits until this one is done with its own.
        if go_on {
            let after_again = reading::after(lease, info, &seen).await?;
            seen.after_again = catalog::compare(&after_up, &after_again);
            self.without_the_moment(&mut seen.after_again, at + 1, &after_up, &after_again).await?;
            constants::grade(lease, &mut seen.after_again).await?;
        }
        self.without_the_moment(&mut seen.after_down, at, &lease.before, &after_down).await?;
        constants::grade(lease, &mut seen.after_down).await?;
        seen.after_down.extend(of_database.unwrap_or_default());
        seen.compare_ms += ms(started.elapsed());
        Ok(seen)
    }

    /// Searches for rows that break the migration at `at`, which was `observed` to run without.
    async fn search(&self, at: usize, observed: &Observed, production: &Schema) -> Result<Option<Found>, Error> {
        let (Some((before, after)), Some(up)) = (&observed.schemas, &observed.up) else { return Ok(None) };
        let migration = &self.set.chain.migrations[at];
        let left = self.left();
        let patient = self.order.depth == Depth::Full;
        let config = &self.plan.config.rows;
        // A whole history shares its time among its migrations.
        let share = match self.plan.mode {
            Mode::All => left / 2 / u32::try_from(self.set.chain.migrations.len() - at).unwrap_or(u32::MAX),
            Mode::Staged | Mode::Worktree => left,
        };
        let budget = if patient { config.patience.min(share.max(config.budget)) } else { config.budget };
        // An audit goes deeper only when it is given more time than usual.
        let usual = crate::config::Rows::default().patience;
        let deep = patient && (self.plan.mode != Mode::All || config.patience > usual);
        // One that takes long alone is not run again and again while somebody waits.
        if left < budget * 2 || up.ms * 8.0 > ms(left) {
            return Ok(None);
        }
        let books = self.set.layout.bookkeeping(migration);
        let job = rows::Job {
            pool: self.pool,
            prefix: &self.prefixes[at],
            source: &migration.up,
            down: migration.down.as_ref().filter(|_| self.set.layout.has_downs()),
            ran: (&up.statements, observed.down.as_ref().map_or(&[], |down| &down.statements)),
            bookkeeping: &books.applied,
            reverted: &books.reverted,
            limits: self.limits(self.order.deadline),
            before,
            after,
            production,
            budget,
            deep,
        };
        // No search is worth the verdict.
        tokio::select! {
            found = tokio::time::timeout(left / 2, rows::search(&job)) => found.ok().transpose().map_err(Error::from),
            () = self.order.halt.cancelled() => Err(Error::Halted),
        }
    }

    /// Leaves out of `found`, how `after` differs from `before`, what two builds of the first `count` migrations differ in
    /// too. Builds a second time only when digits are all that something differs in.
    async fn without_the_moment(
        &self,
        found: &mut Vec<Difference>,
        count: usize,
        before: &Snapshot,
        after: &Snapshot,
    ) -> Result<(), Error> {
        if found.is_empty() || !catalog::may_be_of_the_moment(before, after) {
            return Ok(());
        }
        let second = |prefix: &Hash| blake3::keyed_hash(prefix.as_bytes(), b"second build");
        let prefixes: Vec<Hash> = self.prefixes.iter().map(second).collect();
        let second = Work { prefixes: &prefixes, ..*self };
        if second.advance(count).await?.is_none()
            && let Some(twin) = self.pool.snapshot(&prefixes[count])
        {
            *found = catalog::compare_builds(before, after, &twin);
        }
        Ok(())
    }

    /// Runs a migration that is judged: the time is the verdict's.
    pub(super) async fn run(&self, held: &Held, source: &Source, bookkeeping: &[String]) -> Result<Run, Error> {
        self.run_within(self.limits(self.order.deadline), held, source, bookkeeping).await
    }

    pub(super) async fn run_within(
        &self,
        limits: Limits,
        held: &Held,
        source: &Source,
        bookkeeping: &[String],
    ) -> Result<Run, Error> {
        let bench = Bench { runner: &held.runner, observer: &held.observer, limits: &limits };
        let run = trace::run(bench, source, bookkeeping).await;
        if self.order.halt.is_cancelled() {
            return Err(Error::Halted);
        }
        let run = match run {
            Err(trace::apply::Error::LostAt(_, range)) => return self.crash(source, range),
            run => run?,
        };
        let lost = matches!(&run.failure, Some(Failure { cause: Cause::ConnectionLost(_), .. }));
        if held.observer.is_closed() || (lost && !survives(held).await) {
            if let Some(Failure { range: Some(range), cause: Cause::ConnectionLost(_) }) = run.failure {
                return self.crash(source, range);
            }
            return Err(Error::Lost("the server went away while it judged".to_owned()));
        }
        self.full(source, &run).map_or(Ok(run), Err)
    }

    /// What this server lends to statements that need more rights.
    pub(super) fn lend(&self) -> Lend {
        match self.pool.engine().info() {
            info if info.shared => Lend::Nothing,
            info if info.kind == "container" => Lend::Contained,
            _ => Lend::Harmless,
        }
    }

    pub(super) fn limits(&self, deadline: Instant) -> Limits {
        let limits = &self.plan.config.limits;
        Limits {
            statement: limits.statement,
            database_bytes: limits.database_bytes,
            deadline,
            halt: self.order.halt.clone(),
            elevate: self.lend(),
            pace: None,
            beside: self.pool.beside().clone(),
        }
    }

    fn subject<'s>(&'s self, at: usize, observed: &'s Observed) -> Subject<'s> {
        Subject {
            migration: &self.set.chain.migrations[at],
            change: self.set.changes[at],
            has_downs: self.has_downs(at),
            layout: self.set.layout,
            left: &observed.left,
            up: observed.up.as_ref(),
            effect: &observed.effect,
            down: observed.down.as_ref(),
            after_down: &observed.after_down,
            rows_after_down: &observed.rows_after_down,
            again: observed.again.as_ref(),
            after_again: &observed.after_again,
            rows: observed.rows.as_ref(),
            schemas: observed.schemas.as_ref(),
        }
    }

    /// Whether a down belongs to the migration at `at`: it has one, or those around it have ([`super::downs`]), or the set has
    /// only begun and its layout's files promise one.
    fn has_downs(&self, at: usize) -> bool {
        let (chain, layout) = (&self.set.chain.migrations, self.set.layout);
        let promised = || chain.len() <= 2 && layout.expects_down(&chain[at]);
        // What is new does not say what a team's habit is, unless all is.
        let known = |other: usize| self.set.changes[other] == Change::Unchanged;
        let has = || super::downs::are_usual(chain, at, known);
        layout.has_downs() && (chain[at].down.is_some() || promised() || has())
    }

    /// A step that migd cannot run: the chain ends there. Where the layout has said why it cannot, that is enough.
    pub(super) fn foreign(&self, migration: &Migration) -> Option<Finding> {
        let path = migration.foreign.as_ref()?;
        let said = |finding: &&Finding| finding.severity == Severity::Error && finding.path.as_ref() == Some(path);
        if let Some(said) = self.set.chain.findings.iter().find(said) {
            return Some(said.clone());
        }
        let code = "apply.not-sql";
        let message = format!("migration {} is not SQL, so nothing after it can be judged", migration.version);
        let help = format!(
            "write what it does to the schema as SQL, and name that file in the set's `replace` in migd.toml: \
             `replace = {{ \"{}\" = \"db/steps/{0}.sql\" }}`; until then only what comes before it is judged",
            migration.version
        );
        Some(Finding::new(code, check::default_severity(code), message).in_file(path).help(help))
    }

    /// A migration that is not judged does not apply.
    pub(super) fn chain_fails(&self, at: usize, failure: &Failure) -> Finding {
        let migration = &self.set.chain.migrations[at];
        let mut finding = check::apply_failure(&migration.up, failure);
        if self.set.changes[at] == Change::Unchanged {
            finding.code = "apply.chain".to_owned();
            finding.severity = check::default_severity("apply.chain");
            finding.message =
                format!("migration {} of the chain does not apply: {}", migration.version, finding.message);
        }
        finding
    }
}

/// What is wrong with the set's history, which no server is needed for.
pub(super) fn history(plan: &Plan, set: &SetPlan) -> Vec<Finding> {
    let rev = set.base.rev.as_deref().unwrap_or_default();
    let history = History {
        chain: &set.chain.migrations,
        base: &set.base_chain.migrations,
        root: &set.root,
        base_rev: &format!("commit {}", &rev[..rev.len().min(12)]),
        upstream: set.base.upstream.as_deref(),
        layout: set.layout,
        unknown: &set.chain.unknown,
        merged: &set.merged,
        naming: &plan.config.history.naming,
        gaps: plan.config.history.gaps,
    };
    CHECKS.iter().flat_map(|check| check.history(&history)).collect()
}

/// Finds out what the first judgement on a template wants to know of it, and makes ready what every one will ask.
pub(crate) async fn study(lease: &Lease) {
    digests::get_ready(lease).await;
    // Whoever needs it and does not find it reads it, and says what is wrong.
    let _ = lease.notes.get(digest_of(lease)).await;
}

/// What a new connection would be: no settings, no role, no temporary tables of the run before. Milliseconds that it took.
pub(super) async fn fresh_session(held: &Held) -> Result<f64, Error> {
    let started = Instant::now();
    match held.runner.client().batch_execute("DISCARD ALL").await {
        Ok(()) => Ok(ms(started.elapsed())),
        Err(error) => Err(Error::Lost(describe(&error))),
    }
}

pub(super) fn push(timings: &mut Vec<Timing>, step: &str, started: Instant) {
    timings.push(Timing { step: step.to_owned(), ms: ms(started.elapsed()) });
}

/// The steps of one migration, added up over all that are judged would say little: they are listed for each.
fn timings_of(observed: &Observed, timings: &mut Vec<Timing>) {
    let runs = HashMap::from([("up", &observed.up), ("down", &observed.down), ("up again", &observed.again)]);
    for step in ["up", "down", "up again"] {
        if let Some(Some(run)) = runs.get(step) {
            timings.push(Timing { step: step.to_owned(), ms: (run.ms * 1000.0).round() / 1000.0 });
        }
    }
    timings.push(Timing { step: "compare".to_owned(), ms: observed.compare_ms });
    timings.push(Timing { step: "fresh session".to_owned(), ms: observed.fresh_ms });
}
