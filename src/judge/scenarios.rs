//! Runs a set's scenarios as part of a judgement. What became of one is kept by everything that it depends on: a migration at
//! the end of the chain runs only those that come to it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use blake3::Hash;

use super::run::{Judged, Work, push};
use super::{Error, ms};
use crate::check::scenario as said;
use crate::config::Level;
use crate::scenario::{self, Course, File, Job, Scenario};
use crate::verdict::{Finding, ScenarioReport, Timing};

/// How many results are kept.
const KEPT: usize = 2048;
/// From so many migrations on between the nearest template and where a scenario starts, a template of its own is made:
/// running them costs more than a clone.
const NEAR: usize = 12;
/// The part of a judgement's time that scenarios leave to what comes after them.
const RESERVE: u32 = 20;

/// What became of scenarios.
#[derive(Default)]
pub(super) struct Kept(Mutex<Results>);

#[derive(Default)]
struct Results {
    by_content: HashMap<Hash, (Option<Finding>, f64)>,
    order: VecDeque<Hash>,
}

impl Kept {
    fn get(&self, key: &Hash) -> Option<(Option<Finding>, f64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_content.get(key).cloned()
    }

    fn put(&self, key: Hash, finding: Option<Finding>, ms: f64) {
        let mut results = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if results.by_content.insert(key, (finding, ms)).is_none() {
            results.order.push_back(key);
        }
        if results.order.len() > KEPT
            && let Some(oldest) = results.order.pop_front()
        {
            results.by_content.remove(&oldest);
        }
    }
}

/// A scenario that is to be run.
struct Task<'a> {
    file: &'a File,
    text: &'a str,
    scenario: Scenario,
    course: Course,
    key: Hash,
}

/// What became of one.
enum Ended {
    /// It ran to its end, or to the finding; and whether the same content would come to the same again.
    Ran(Option<Finding>, bool),
    /// The chain does not come to where it starts.
    Unreached(Finding),
}

impl Work<'_> {
    /// Runs the scenarios of the set that are not known already, nearest to the chain's beginning first.
    pub(super) async fn scenarios(
        &self,
        turn: &tokio::sync::Mutex<()>,
        kept: &Kept,
        judged: &mut Judged,
        timings: &mut Vec<Timing>,
    ) -> Result<(), Error> {
        let started = Instant::now();
        let off = self.plan.config.checks.get("scenario").is_some_and(|level| *level == Level::Off);
        if self.set.scenarios.is_empty() || off {
            return Ok(());
        }
        if !judged.whole {
            let help = "they are run once it does";
            judged.findings.push(said::not_run(self.set.scenarios.len(), "the chain does not apply", help));
            return Ok(());
        }
        let files: Vec<&File> = self.set.scenarios.iter().collect();
        self.run_scenarios(&files, turn, kept, judged).await?;
        push(timings, "scenarios", started);
        Ok(())
    }

    /// Runs these scenarios, as far as the time allows.
    pub(super) async fn run_scenarios(
        &self,
        files: &[&File],
        turn: &tokio::sync::Mutex<()>,
        kept: &Kept,
        judged: &mut Judged,
    ) -> Result<(), Error> {
        let mut tasks = Vec::new();
        for file in files {
            match self.task(file) {
                Err(finding) => {
                    judged.scenarios.push(report(file, None, 0.0, false));
                    judged.findings.push(*finding);
                }
                Ok(task) => match kept.get(&task.key) {
                    Some((finding, ms)) => {
                        judged.scenarios.push(report(file, Some(finding.is_none()), ms, true));
                        judged.findings.extend(finding);
                    }
                    None => tasks.push(task),
                },
            }
        }
        // Those with the same start share a template, and those after it build on it.
        tasks.sort_by_key(|task| task.course.start);
        let mut late = 0;
        let mut unreached = 0;
        for (at, task) in tasks.iter().enumerate() {
            if late > 0 || Instant::now() >= self.scenarios_end() {
                late += 1;
                continue;
            }
            let _turn = self.wait_for(turn).await?;
            let started = Instant::now();
            let ended = match self.run_one(task, tasks.get(at + 1)).await {
                Err(Error::Deadline) => {
                    late += 1;
                    continue;
                }
                other => other?,
            };
            let took = ms(started.elapsed());
            match ended {
                Ended::Ran(finding, lasts) => {
                    judged.scenarios.push(report(task.file, Some(finding.is_none()), took, false));
                    match lasts {
                        true => kept.put(task.key, finding.clone(), took),
                        false => judged.depth = None,
                    }
                    judged.findings.extend(finding);
                }
                Ended::Unreached(finding) => {
                    unreached += 1;
                    judged.scenarios.push(report(task.file, None, took, false));
                    judged.findings.push(finding);
                }
            }
        }
        if unreached > 0 {
            let help = "they are run once it does";
            judged.findings.push(said::not_run(unreached, "the chain does not apply", help));
        }
        if late > 0 {
            judged.depth = None;
            let help = "another try goes on with the rest; `migd scenario run` runs all of them";
            judged.findings.push(said::not_run(late, "the time for a verdict is over", help));
        }
        judged.scenarios.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(())
    }

    /// When the last scenario must be done.
    fn scenarios_end(&self) -> Instant {
        let whole = self.order.deadline.saturating_duration_since(self.order.started);
        self.order.deadline.checked_sub(whole / RESERVE).unwrap_or(self.order.deadline)
    }

    /// Reads one file and follows it along the chain.
    fn task<'f>(&self, file: &'f File) -> Result<Task<'f>, Box<Finding>> {
        let text = file.text.as_deref().map_err(|why| Box::new(said::unreadable(&file.path, why)))?;
        let chain = &self.set.chain.migrations;
        let invalid = |problem| Box::new(said::invalid(&file.path, text, &problem));
        let scenario = scenario::parse(text).map_err(invalid)?;
        let course = scenario::course(&scenario, chain).map_err(invalid)?;
        let mut key = blake3::Hasher::new();
        key.update(self.prefixes[course.furthest].as_bytes());
        for leg in course.legs.iter().flatten().filter(|leg| !leg.up) {
            key.update(chain[leg.at].hash.as_bytes());
        }
        key.update(format!("{:?}", self.plan.config.limits).as_bytes());
        key.update(file.path.as_bytes()).update(&[0]).update(text.as_bytes());
        Ok(Task { file, text, scenario, course, key: key.finalize() })
    }

    async fn run_one(&self, task: &Task<'_>, next: Option<&Task<'_>>) -> Result<Ended, Error> {
        let start = task.course.start;
        let near = (start.saturating_sub(NEAR)..=start).rev().find(|at| self.pool.has(&self.prefixes[*at]));
        if let Some(from) = near {
            match self.run_from(from, task, next).await {
                // Whoever builds the chain knows why.
                Err(scenario::Error::Unreached) => {}
                other => return Ok(other?),
            }
        }
        match self.advance(start).await? {
            Some(broken) => Ok(Ended::Unreached(broken)),
            None => Ok(self.run_from(start, task, next).await?),
        }
    }

    /// Runs a scenario from the template at `from`.
    async fn run_from(&self, from: usize, task: &Task<'_>, next: Option<&Task<'_>>) -> Result<Ended, scenario::Error> {
        // A clone for the one behind this is made while this one runs.
        if next.is_some_and(|next| (from..=from + NEAR).contains(&next.course.start)) {
            self.pool.next_later(self.prefixes[from]);
        }
        let chain = &self.set.chain.migrations;
        let job = Job {
            pool: self.pool,
            template: (&self.prefixes[from], from),
            chain,
            layout: self.set.layout,
            limits: self.limits(self.scenarios_end()),
            whole: self.plan.config.limits.scenario,
        };
        let miss = scenario::run(&job, &task.scenario, &task.course).await?;
        let lasts = miss.as_ref().is_none_or(|miss| miss.what.is_lasting());
        Ok(Ended::Ran(miss.map(|miss| said::miss(&task.file.path, task.text, &miss, chain)), lasts))
    }
}

fn report(file: &File, passed: Option<bool>, ms: f64, cached: bool) -> ScenarioReport {
    ScenarioReport { path: file.path.clone(), passed, ms, cached }
}
