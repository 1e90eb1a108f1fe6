//! What is left running in a database that was let go of: a judgement was ended in the middle, because somebody else waits.
//!
//! Dropping a future does not stop what it has sent. A migration that is still on its way may change roles and their
//! settings, which are the whole server's, after the next judgement has arranged them. So it is ended at once, and nobody
//! arranges roles before it is gone.

use std::sync::Arc;
use std::time::Duration;

use super::{Lease, Pool};

/// How long a session that is ended may take to leave.
const LEAVING: Duration = Duration::from_secs(5);

impl Pool {
    /// Throws a clone away, aside; what runs in it is ended first.
    pub(super) fn let_go(self: &Arc<Self>, lease: Lease) {
        // Without a runtime the process is ending, and the server with it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !lease.runner.is_running() {
            return self.discard_later(lease);
        }
        // Taken alone for no longer than a look, by whoever waits for those that are there already.
        let held = Arc::clone(&self.strays).try_read_owned();
        let pool = Arc::clone(self);
        runtime.spawn(async move {
            let held = match held {
                Ok(held) => held,
                Err(_) => Arc::clone(&pool.strays).read_owned().await,
            };
            pool.end(lease.runner.pid()).await;
            // What the administrator was about to do for it is over when it has an answer to this.
            if tokio::time::timeout(LEAVING, lease.observer.client().batch_execute("")).await.is_err() {
                pool.end(lease.observer.pid()).await;
            }
            drop(held);
            pool.discard_later(lease);
        });
    }

    async fn end(&self, pid: i32) {
        let ended = self.with(&self.maker, async |admin| admin.end(pid, LEAVING).await, "end a session").await;
        match ended {
            Ok(true) => {}
            Ok(false) => tracing::warn!(pid, "a session does not end"),
            // The server is gone, and all of its sessions with it.
            Err(error) => tracing::debug!(%error, "a session was not ended"),
        }
    }

    /// Waits until nothing is left running.
    pub(super) async fn strays_gone(&self) {
        drop(self.strays.write().await);
    }
}
