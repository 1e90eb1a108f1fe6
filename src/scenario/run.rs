//! Runs one scenario on a database of its own. Migrations run in the session that they are judged in, as their runner would
//! send them; everything else in the scenario's own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use blake3::Hash;
use sqllogictest::Runner;

use super::course::{Course, Leg};
use super::session::{Site, Stop};
use super::{Act, Error, Miss, Record, Scenario, Step, What, parse, results};
use crate::layout::{Layout, Migration};
use crate::pool::{Held, Pool};
use crate::trace::apply::Bench;
use crate::trace::{self, Cause, Limits};

/// How long a statement that is being stopped is waited for.
const STOPPING: Duration = Duration::from_secs(4);

/// Longer than any scenario may run.
const FOREVER: Duration = Duration::from_secs(1 << 30);

/// What a scenario is run with.
pub struct Job<'a> {
    /// The databases.
    pub pool: &'a Arc<Pool>,
    /// The template at or before the scenario's start, and how many migrations it has.
    pub template: (&'a Hash, usize),
    /// The chain.
    pub chain: &'a [Arc<Migration>],
    /// Its layout.
    pub layout: &'a dyn Layout,
    /// The bounds of one statement, and the end of the judgement.
    pub limits: Limits,
    /// How long the whole scenario may run.
    pub whole: Duration,
}

/// Runs `scenario`; what is not as it says, if anything.
pub async fn run(job: &Job<'_>, scenario: &Scenario, course: &Course) -> Result<Option<Miss>, Error> {
    let Some(held) = job.pool.lease(job.template.0).await? else { return Err(Error::Template) };
    let deadline = job.limits.deadline.min(Instant::now() + job.whole);
    let limits = Limits { deadline, ..job.limits.clone() };
    let site = Site::new(job.pool, &held, &limits);
    let walk = Walk { job, held: &held, limits: &limits };
    for at in job.template.1..course.start {
        if walk.leg(Leg { at, up: true }).await?.is_some() {
            return Err(Error::Unreached);
        }
    }
    let mut runner = Runner::new(|| site.connect());
    // The types that a query announces say how many columns it has.
    runner.with_column_validator(|actual, expected| expected.is_empty() || actual.len() == expected.len());
    parse::LABELS.iter().for_each(|label| runner.add_label(label));
    let mut labels: HashMap<String, (u32, Hash)> = HashMap::new();
    for (step, legs) in scenario.steps.iter().zip(&course.legs) {
        let miss = |what| Ok(Some(Miss { lines: step.lines.clone(), what }));
        match &step.act {
            Act::Migrate(_) => {
                for leg in legs {
                    if let Some(what) = walk.leg(*leg).await? {
                        return miss(what);
                    }
                }
            }
            Act::Record(record) => {
                if let Record::Sleep { duration, .. } = **record
                    && Instant::now() + duration.min(FOREVER) >= deadline
                {
                    return over(job).map(|what| Some(Miss { lines: step.lines.clone(), what }));
                }
                // A statement is stopped by its own supervisor; a pause between two tries of one is not.
                let work = runner.run_async((**record).clone());
                let outcome = tokio::time::timeout_at((limits.deadline + STOPPING).into(), work).await;
                if let Some(stop) = site.take_stop() {
                    return stopped(job, stop).map(|what| Some(Miss { lines: step.lines.clone(), what }));
                }
                match outcome {
                    Ok(Ok(output)) => {
                        if let Some(what) = relabelled(step, results::labelled(record, &output), &mut labels) {
                            return miss(what);
                        }
                    }
                    Ok(Err(error)) => return miss(results::what(record, &error.kind())),
                    Err(_) => return over(job).map(|what| Some(Miss { lines: step.lines.clone(), what })),
                }
            }
        }
    }
    Ok(None)
}

/// Whether this result differs from that of an earlier query with the same label.
fn relabelled(step: &Step, labelled: Option<(&str, Hash)>, labels: &mut HashMap<String, (u32, Hash)>) -> Option<What> {
    let (label, hash) = labelled?;
    match labels.get(label) {
        Some((line, known)) if *known != hash => Some(results::differs_from_label(label, *line)),
        Some(_) => None,
        None => {
            labels.insert(label.to_owned(), (*step.lines.start(), hash));
            None
        }
    }
}

/// The scenario's time is over, or the judgement's.
fn over(job: &Job<'_>) -> Result<What, Error> {
    if Instant::now() >= job.limits.deadline || job.limits.halt.is_cancelled() {
        return Err(trace::apply::Error::Deadline.into());
    }
    Ok(What::Whole(job.whole.as_millis() as u64))
}

fn stopped(job: &Job<'_>, stop: Stop) -> Result<What, Error> {
    match stop {
        Stop::Timeout => Ok(What::Statement(job.limits.statement.as_millis() as u64)),
        Stop::Disk => Ok(What::Disk(job.limits.database_bytes)),
        Stop::Broken(trace::apply::Error::Deadline) => over(job),
        Stop::Broken(error) => Err(error.into()),
    }
}

/// Moves a database along the chain.
struct Walk<'a> {
    job: &'a Job<'a>,
    held: &'a Held,
    limits: &'a Limits,
}

impl Walk<'_> {
    /// Runs one migration as a judgement does; how it fails, if it does.
    async fn leg(&self, leg: Leg) -> Result<Option<What>, Error> {
        let migration = &self.job.chain[leg.at];
        let impassable = |why| Ok(Some(What::Impassable { leg, why }));
        if migration.foreign.is_some() {
            return impassable("it is not SQL");
        }
        let books = self.job.layout.bookkeeping(migration);
        let (source, books) = match (leg.up, &migration.down) {
            (true, _) => (&migration.up, &books.applied),
            (false, _) if !self.job.layout.has_downs() => return impassable("its runner has no downs"),
            (false, Some(down)) => (down, &books.reverted),
            (false, None) => return impassable("it has no down"),
        };
        let bench = Bench { runner: &self.held.runner, observer: &self.held.observer, limits: self.limits };
        let run = match trace::run(bench, source, books).await {
            Ok(run) => run,
            Err(trace::apply::Error::Deadline) => return over(self.job).map(Some),
            Err(error) => return Err(error.into()),
        };
        if let Some(failure) = run.failure {
            let lost = matches!(failure.cause, Cause::ConnectionLost(_));
            if lost && self.held.observer.client().simple_query("SELECT").await.is_err() {
                return Err(trace::apply::Error::Lost("the server went away while it judged".to_owned()).into());
            }
            return Ok(Some(What::Migration { leg, failure }));
        }
        // What a new connection would be: every migration has one of its own.
        match self.held.runner.client().batch_execute("DISCARD ALL").await {
            Ok(()) => Ok(None),
            Err(error) => Err(trace::apply::Error::Lost(crate::engine::session::describe(&error)).into()),
        }
    }
}
