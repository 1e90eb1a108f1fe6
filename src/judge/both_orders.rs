//! Two branches each added a migration: whether this one's and upstream's go together, whichever is deployed first.
//!
//! Only where upstream's newest commit has a migration that this branch lacks; else nothing here costs anything.

use std::sync::Arc;

use super::run::Work;
use super::{Error, SetPlan, prefixes};
use crate::catalog::{self, Grade};
use crate::check::default_severity;
use crate::layout::{Chain, Migration};
use crate::verdict::{Change, Finding};

const CODE: &str = "history.conflict";
/// How many differences are said.
const SAID: usize = 3;

/// Who added what.
struct Sides<'a> {
    common: Vec<&'a Arc<Migration>>,
    ours: Vec<&'a Arc<Migration>>,
    theirs: Vec<&'a Arc<Migration>>,
}

impl<'a> Sides<'a> {
    /// None when one of the two added nothing.
    fn of(set: &'a SetPlan) -> Option<Sides<'a>> {
        let has = |chain: &[Arc<Migration>], version: &str| chain.iter().any(|m| m.version == version);
        let (base, own) = (&set.base_chain.migrations, &set.chain.migrations);
        let same = |new: &Arc<Migration>| own.iter().any(|m| m.up_hash == new.up_hash);
        let added = |new: &&Arc<Migration>| !has(base, &new.version) && !same(new);
        let theirs: Vec<&Arc<Migration>> = set.upstream_chain.as_ref()?.migrations.iter().filter(added).collect();
        let (common, ours): (Vec<&Arc<Migration>>, Vec<&Arc<Migration>>) =
            own.iter().partition(|m| has(base, &m.version));
        (!theirs.is_empty() && !ours.is_empty()).then_some(Sides { common, ours, theirs })
    }

    /// What both sides share, then one side's, then the other's; repeatable ones last, as their runner has them.
    fn order(&self, first: &[&Arc<Migration>], second: &[&Arc<Migration>]) -> Vec<Arc<Migration>> {
        let all = || self.common.iter().chain(first).chain(second).copied();
        all().filter(|m| !m.repeatable).chain(all().filter(|m| m.repeatable)).cloned().collect()
    }
}

impl Work<'_> {
    /// Tries upstream's migrations before this branch's, and after them.
    pub(super) async fn both_orders(&self, turn: &tokio::sync::Mutex<()>) -> Result<Vec<Finding>, Error> {
        let Some(sides) = Sides::of(self.set) else { return Ok(Vec::new()) };
        let upstream = self.set.base.upstream.as_deref().unwrap_or_default();
        let upstream = match upstream {
            "@{upstream}" => "the upstream branch",
            name => name.trim_start_matches("refs/remotes/").trim_start_matches("refs/heads/"),
        };
        let taken: Vec<Finding> = sides.ours.iter().filter_map(|new| taken(new, &sides, upstream)).collect();
        if !taken.is_empty() {
            return Ok(taken);
        }
        if sides.ours.iter().chain(&sides.theirs).any(|m| m.foreign.is_some()) {
            return Ok(Vec::new());
        }
        let _turn = self.wait_for(turn).await?;
        (self.order.progress)(&format!("trying {upstream}'s migrations before and after"));
        let say = |message: String, detail: String| {
            let finding = Finding::new(CODE, default_severity(CODE), message).detail(detail);
            // What is staged last is what somebody is at.
            let finding = match sides.ours.last() {
                Some(new) => finding.in_file(&new.up.path),
                None => finding,
            };
            vec![finding.help(format!(
                "update from {upstream}, and write this branch's migrations for the schema that they then find"
            ))]
        };
        // What does not even apply alone is upstream's own matter.
        if self.after(&sides.order(&sides.theirs, &[])).await?.is_err() {
            return Ok(Vec::new());
        }
        let later = match self.after(&sides.order(&sides.theirs, &sides.ours)).await? {
            Ok(snapshot) => snapshot,
            Err(broken) => {
                let message =
                    format!("this branch's migrations do not apply after {upstream}'s {}", names(&sides.theirs));
                return Ok(say(message, said(&broken)));
            }
        };
        let earlier = match self.after(&sides.order(&sides.ours, &sides.theirs)).await? {
            Ok(snapshot) => snapshot,
            Err(broken) => {
                let message =
                    format!("{upstream}'s migrations do not apply after this branch's {}", names(&sides.ours));
                return Ok(say(message, said(&broken)));
            }
        };
        let differences = catalog::compare(&later, &earlier);
        let words: Vec<&str> =
            differences.iter().filter(|d| d.grade == Grade::Behaviour).map(|d| d.words.as_str()).collect();
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let more = match words.len().saturating_sub(SAID) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let message = format!(
            "{} and {upstream}'s {} make two schemas, by which of them runs first",
            names(&sides.ours),
            names(&sides.theirs)
        );
        let detail = format!(
            "where this branch's run first, compared with last: {}{more}",
            words[..words.len().min(SAID)].join("; ")
        );
        Ok(say(message, detail))
    }

    /// The schema after these migrations, or what does not apply.
    async fn after(&self, migrations: &[Arc<Migration>]) -> Result<Result<Arc<catalog::Snapshot>, Finding>, Error> {
        let set = SetPlan {
            name: self.set.name.clone(),
            root: self.set.root.clone(),
            layout: self.set.layout,
            changes: vec![Change::Added; migrations.len()],
            first: 0,
            base: self.set.base.clone(),
            base_chain: Arc::clone(&self.set.base_chain),
            upstream_chain: None,
            merged: Vec::new(),
            setup: self.set.setup.clone(),
            scenarios: Vec::new(),
            scenarios_changed: false,
            scenario_folder: String::new(),
            findings: Vec::new(),
            chain: Arc::new(Chain::of(migrations.to_vec())),
        };
        let prefixes = prefixes(&set, self.pool.engine().info());
        let work = Work { set: &set, prefixes: &prefixes, ..*self };
        let end = migrations.len();
        if let Some(broken) = work.advance(end).await? {
            return Ok(Err(broken));
        }
        Ok(Ok(Arc::clone(&work.lease(end).await?.before)))
    }
}

/// Both sides took one version for two things.
fn taken(new: &Migration, sides: &Sides<'_>, upstream: &str) -> Option<Finding> {
    let theirs = sides.theirs.iter().find(|theirs| theirs.version == new.version)?;
    let message = format!("version {} is taken on {upstream} by {}", new.version, theirs.up.path);
    Some(
        Finding::new(CODE, default_severity(CODE), message)
            .in_file(&new.up.path)
            .detail(
                "with both files there are two migrations of one version: the runner refuses them, or passes over one",
            )
            .help(format!("update from {upstream}, and give this migration the next free version")),
    )
}

fn names(migrations: &[&Arc<Migration>]) -> String {
    let versions: Vec<&str> = migrations.iter().map(|m| m.version.as_str()).collect();
    match versions.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first, .., last] => format!("{first} to {last}"),
    }
}

/// What does not apply, and where.
fn said(broken: &Finding) -> String {
    let place = match (&broken.path, broken.line) {
        (Some(path), Some(line)) => format!("{path}:{line}: "),
        (Some(path), None) => format!("{path}: "),
        (None, _) => String::new(),
    };
    format!("{place}{}", broken.message)
}
