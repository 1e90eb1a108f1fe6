//! One judgement as the daemon keeps it: for whom, until when, and what ends it early.

use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::service::PREPARE;
use crate::engine::pace::Pace;
use crate::judge::{self, Depth, Order};

/// When a judgement was asked for, by whom, until when.
#[derive(Clone)]
pub(super) struct Moment {
    pub(super) repo: String,
    pub(super) started: Instant,
    pub(super) deadline: Instant,
    pub(super) patience: Instant,
    pub(super) depth: Depth,
    /// Whether it is about what may change before it is committed.
    pub(super) fleeting: bool,
    /// Ends it early, but for the chain before what is judged.
    pub(super) halt: CancellationToken,
    /// Ends that too.
    pub(super) halt_chain: CancellationToken,
    /// Told each step.
    pub(super) steps: Option<Steps>,
    /// Set where it is done as this allows: nobody waits for it, or whoever does is counted there.
    pub(super) pace: Option<Arc<Pace>>,
    /// Held by all who are at it.
    pub(super) under_way: Arc<()>,
}

/// Told the version of a migration and what is being done with it.
pub(super) type Steps = Arc<dyn Fn(&str, &str) + Send + Sync>;

impl Moment {
    /// For what is no verdict, and has time.
    pub(super) fn aside(repo: String) -> Moment {
        let now = Instant::now();
        Moment {
            repo,
            started: now,
            deadline: now + PREPARE,
            patience: now + PREPARE,
            depth: Depth::Full,
            fleeting: false,
            halt: CancellationToken::new(),
            halt_chain: CancellationToken::new(),
            steps: None,
            pace: None,
            under_way: Arc::default(),
        }
    }

    /// The same, as `pace` allows.
    pub(super) fn paced(self, pace: &Arc<Pace>) -> Moment {
        Moment { pace: Some(Arc::clone(pace)), ..self }
    }

    pub(super) fn with<'a>(&'a self, progress: judge::Progress<'a>) -> Order<'a> {
        let Moment { repo, started, deadline, patience, depth, halt, halt_chain, pace, .. } = self;
        let (started, deadline, patience, depth) = (*started, *deadline, *patience, *depth);
        let steps: judge::Steps<'a> = match &self.steps {
            Some(steps) => &**steps,
            None => &|_, _| {},
        };
        let pace = pace.as_ref();
        Order { repo, started, deadline, patience, depth, crashed: None, progress, steps, halt, halt_chain, pace }
    }
}
