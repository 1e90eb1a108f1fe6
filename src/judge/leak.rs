//! A migration in the session that the ones before it have left: what a deployment of several does, and of one does not.

use super::Error;
use super::run::{Observed, Work};
use crate::catalog::{self, Snapshot};
use crate::check;
use crate::trace::settings::{self, Setting};
use crate::verdict::{Finding, Mode};

/// The session that a runner keeps for its pending migrations.
pub(super) struct Left {
    /// The last migration that left something in it.
    by: String,
    settings: Vec<Setting>,
}

impl Work<'_> {
    /// The session after the migration at `at`, which passes in a session of its own and was `observed` there. Where those
    /// before it have `left` something in theirs, it is run in that, too.
    pub(super) async fn carried(
        &self,
        left: Option<Left>,
        at: usize,
        observed: &Observed,
        findings: &mut Vec<Finding>,
    ) -> Result<Option<Left>, Error> {
        let mut settings = observed.left.clone();
        let mut by = self.set.chain.migrations[at].version.clone();
        if let (Some(left), Some(alone)) = (left, &observed.after_up) {
            let (finding, after) = self.in_session_of(&left, at, alone).await?;
            findings.extend(finding);
            // An audit tries each pair of neighbours: what one leaves would run all that follow twice.
            if let Some(after) = after.filter(|_| self.plan.mode != Mode::All) {
                by = if settings.is_empty() { left.by } else { by };
                settings = after;
            }
        }
        let reaching = check::reaching(self.set.layout, &settings);
        let settings: Vec<Setting> = reaching.into_iter().cloned().collect();
        Ok((!settings.is_empty()).then_some(Left { by, settings }))
    }

    /// What becomes of the migration at `at` in the session that is `left`, where it makes `alone` in one of its own, and what
    /// it leaves there itself; none where it fails.
    async fn in_session_of(
        &self,
        left: &Left,
        at: usize,
        alone: &Snapshot,
    ) -> Result<(Option<Finding>, Option<Vec<Setting>>), Error> {
        let (migration, layout) = (&self.set.chain.migrations[at], self.set.layout);
        let Some(held) = self.pool.lease(&self.prefixes[at]).await? else { return Ok((None, None)) };
        // What a session of its own may not be given (the replication role, a role that is gone) cannot be tried: that it
        // is left is said.
        if let Err(error) = settings::take_over(&held.runner, &left.settings).await {
            tracing::debug!(%error, "a session's settings cannot be taken over");
            return Ok((None, None));
        }
        let books = layout.bookkeeping(migration);
        let run = self.run(&held, &migration.up, &books.applied).await?;
        let (differs, after) = match run.ok() {
            true => {
                let there = held.reader.since(held.observer.client(), &held.before).await?;
                let after = settings::left(&held.runner).await;
                let after = after.map_err(|error| Error::Lost(crate::engine::session::describe(&error)))?;
                (catalog::compare(alone, &there), Some(after))
            }
            false => (Vec::new(), None),
        };
        Ok((check::carried(layout, migration, &left.by, &left.settings, &run, &differs), after))
    }
}
