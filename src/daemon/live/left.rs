//! Questions that were asked and are waited for no more: whoever asked went away, or the time was over. The chain before what
//! they were about goes on being built, because the next question is mostly about the same, until one is about another.

use std::sync::{Arc, Weak};

use tokio_util::sync::CancellationToken;

use crate::daemon::Service;
use crate::daemon::moment::Moment;
use crate::judge::{self, Plan};

/// One that has not been answered. Dropped without an answer, its judgement ends.
pub(crate) struct Asked {
    service: Arc<Service>,
    halt: CancellationToken,
    left: Option<Left>,
}

/// What goes on of one.
pub(super) struct Left {
    plan: Arc<Plan>,
    halt_chain: CancellationToken,
    under_way: Weak<()>,
}

impl Asked {
    pub(in crate::daemon) fn new(service: &Arc<Service>, plan: &Arc<Plan>, moment: &Moment) -> Asked {
        let under_way = Arc::downgrade(&moment.under_way);
        let left = Left { plan: Arc::clone(plan), halt_chain: moment.halt_chain.clone(), under_way };
        Asked { service: Arc::clone(service), halt: moment.halt.clone(), left: Some(left) }
    }

    /// There was an answer: perhaps that there was no time.
    pub(crate) fn answered(mut self) {
        self.leave();
    }

    fn leave(&mut self) {
        if let (Some(live), Some(left)) = (self.service.live(), self.left.take().filter(Left::is_under_way)) {
            live.work.leave(left);
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if self.left.is_some() {
            self.halt.cancel();
            self.leave();
        }
    }
}

impl Left {
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.strong_count() > 0
    }

    /// Whether it still goes on: it is given up where somebody asks about `plan`, and that does not come by the database that
    /// is being made.
    pub(super) fn goes_on_for(&self, plan: &Plan) -> bool {
        let within = |own| plan.sets.iter().any(|set| judge::starts_within(&self.plan, own, plan, set));
        let wanted = self.plan.sets.iter().any(within);
        if !wanted {
            self.halt_chain.cancel();
        }
        wanted && self.is_under_way()
    }
}
