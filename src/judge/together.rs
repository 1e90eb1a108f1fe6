//! What is pending together, where the runner has one transaction for all of it: each migration passes alone, and not all that it
//! needs of those before it can be used before it is committed.

use std::ops::Range;
use std::sync::Arc;

use super::Error;
use super::run::Work;
use crate::check;
use crate::layout::{Migration, Source};
use crate::trace::Failure;
use crate::verdict::{Change, Finding, Mode};

impl Work<'_> {
    /// Runs those that `ran`, each of which passes alone, as a runner does that has one transaction for all that is pending;
    /// what does not pass there.
    pub(super) async fn together(&self, ran: &[usize]) -> Result<Option<Finding>, Error> {
        let (layout, chain) = (self.set.layout, &self.set.chain.migrations);
        let (Some(&first), Some(&last)) = (ran.first(), ran.last()) else { return Ok(None) };
        // What production has by itself, and what an audit goes through, is not pending.
        let is_new = (first..=last).all(|at| self.set.changes[at] == Change::Added);
        if self.plan.mode == Mode::All || first == last || !is_new {
            return Ok(None);
        }
        let migrations = &chain[first..=last];
        let Some((source, places)) = joined(migrations) else { return Ok(None) };
        let books: Vec<String> = migrations.iter().flat_map(|m| layout.bookkeeping(m).applied).collect();
        let Some(held) = self.pool.lease(&self.prefixes[first]).await? else { return Ok(None) };
        let run = self.run(&held, &source, &books).await?;
        let Some(Failure { range: Some(range), cause }) = run.failure else { return Ok(None) };
        let Some(at) = places.iter().rposition(|place| place.start <= range.start).filter(|at| *at > 0) else {
            return Ok(None);
        };
        let own = migrations[at].up.body.start;
        let range = own + range.start - places[at].start..own + range.end - places[at].start;
        let failure = Failure { range: Some(range), cause };
        Ok(Some(check::together(layout, &migrations[at], &migrations[..at], &failure)))
    }
}

/// The ups as one, and where each is in it; none where they are not sent alike.
fn joined(migrations: &[Arc<Migration>]) -> Option<(Source, Vec<Range<usize>>)> {
    let first = &migrations.first()?.up;
    let (mut text, mut places, mut pieces) = (String::new(), Vec::new(), Vec::new());
    for up in migrations.iter().map(|migration| &migration.up) {
        if up.mode != first.mode {
            return None;
        }
        let start = text.len();
        text.push_str(up.text.get(up.body.clone())?);
        places.push(start..text.len());
        let whole = [up.body.clone()];
        let own = up.pieces.as_deref().unwrap_or(&whole);
        pieces.extend(own.iter().map(|piece| start + piece.start - up.body.start..start + piece.end - up.body.start));
        text.push('\n');
    }
    let body = 0..text.len();
    let (path, mode) = (first.path.clone(), first.mode);
    Some((Source { path, text: text.into(), body, mode, pieces: Some(pieces), inserts: None }, places))
}
