//! What is made before anybody waits for it, and how it gives way to those who do.

use std::sync::Arc;
use std::time::Instant;

use blake3::Hash;

use super::databases::Owner;
use super::{Held, Lease, Pool, Template, Warmth, roles};
use crate::engine::Role;
use crate::engine::pace::Manner;
use crate::engine::session::Session;

/// For how many templates, of all repositories, clones are kept ready: those before and after what was just judged. The one
/// that was refilled last keeps all of its clones, the others one each: a clone's sessions are most of what a server at rest
/// takes, 18 MB, and only the search for rows wants a second one.
const MAX_READY: usize = 3;

impl Held {
    /// Has the migrations' session run as `manner` says. Called between migrations: the session may become another one.
    pub async fn paced(&mut self, manner: Manner) {
        let Some(lease) = &mut self.lease else { return };
        match manner {
            Manner::Aside if !lease.lowered => lease.lowered = self.pool.engine.lower(lease.runner.pid()),
            // A process that gives way does so until it ends.
            Manner::Hurry if lease.lowered => {
                match Session::open(&self.pool.engine.config(&lease.database, Role::Owner)).await {
                    Ok(session) => {
                        std::mem::replace(&mut lease.runner, session).close().await;
                        lease.lowered = false;
                    }
                    // The chain may have shut the role out.
                    Err(error) => tracing::debug!(%error, "a chain goes on being built at a low priority"),
                }
            }
            Manner::Aside | Manner::Hurry => {}
        }
    }
}

impl Pool {
    /// Makes clones of the template for `prefix`, aside, until as many are ready as should be.
    pub fn refill_later(self: &Arc<Self>, prefix: Hash) {
        self.state().foremost = Some(prefix);
        self.make_ahead(prefix, self.clones, Warmth::Warm);
    }

    /// Makes one clone of the template for `prefix`, aside, that may be needed some time.
    pub fn spare_later(self: &Arc<Self>, prefix: Hash) {
        self.make_ahead(prefix, self.clones.min(1), Warmth::Warm);
    }

    /// Makes one clone of the template for `prefix`, aside, that will be needed once and soon.
    pub fn next_later(self: &Arc<Self>, prefix: Hash) {
        self.make_ahead(prefix, 1, Warmth::Cold);
    }

    fn make_ahead(self: &Arc<Self>, prefix: Hash, clones: usize, warmth: Warmth) {
        let wanted = {
            let mut state = self.state();
            let Some(template) = state.templates.get_mut(&prefix) else { return };
            let wanted = clones.saturating_sub(template.ready.len() + template.coming);
            template.coming += wanted;
            template.used = Instant::now();
            wanted
        };
        self.trim();
        for _ in 0..wanted {
            let pool = Arc::clone(self);
            tokio::spawn(async move {
                let alone = match warmth {
                    Warmth::Warm => Some((pool.ahead.lock().await, pool.pace.step().await)),
                    Warmth::Cold => None,
                };
                let mut made = pool.clone_of(&prefix, warmth, Owner::Admin).await;
                match (&mut made, warmth) {
                    (Ok(Some(lease)), Warmth::Warm) => {
                        let _owners = pool.beside.owners.read().await;
                        (pool.study)(lease).await;
                    }
                    // A migration that is judged meanwhile may have given the role settings.
                    (Ok(Some(lease)), Warmth::Cold) => {
                        lease.plain = roles::is_plain(&lease.runner).await.unwrap_or(false);
                    }
                    _ => {}
                }
                drop(alone);
                let spare = {
                    let mut state = pool.state();
                    match (state.templates.get_mut(&prefix), made) {
                        (Some(template), Ok(Some(lease))) => {
                            template.coming = template.coming.saturating_sub(1);
                            template.ready.push_back(lease);
                            None
                        }
                        (Some(template), Err(error)) => {
                            template.coming = template.coming.saturating_sub(1);
                            tracing::warn!(%error, "no clone could be made ahead");
                            None
                        }
                        (_, Ok(spare)) => spare,
                        (None, Err(_)) => None,
                    }
                };
                if let Some(lease) = spare {
                    pool.discard_later(lease);
                }
            });
        }
    }

    /// Lets go of clones of templates other than the one that was refilled last.
    fn trim(self: &Arc<Self>) {
        let spare: Vec<Lease> = {
            let mut state = self.state();
            let foremost = state.foremost;
            let age = |(hash, template): (&Hash, &Template)| (Some(*hash) == foremost, template.used, *hash);
            let mut ages: Vec<(bool, Instant, Hash)> = state.templates.iter().map(age).collect();
            ages.sort_unstable_by_key(|(foremost, used, _)| std::cmp::Reverse((*foremost, *used)));
            let mut spare = Vec::new();
            for (rank, (_, _, old)) in ages.into_iter().enumerate().skip(1) {
                let Some(template) = state.templates.get_mut(&old) else { continue };
                let kept = if rank < MAX_READY { 1 } else { 0 };
                let ready = template.ready.len();
                spare.extend(template.ready.drain(kept.min(ready)..));
            }
            spare
        };
        spare.into_iter().for_each(|lease| self.discard_later(lease));
    }
}
