//! What goes on beside a judgement on the same server, and how a judgement has it to itself for as long as it must.
//!
//! Roles and databases are the whole server's. A migration that drops a role, or all that a role owns, looks into every
//! database there is: clones that are made or dropped at that moment get in its way, as they never would in production.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

/// One for a server. Whoever waits to have one of these alone must not hold it shared.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// Shared by what runs as the owner role without a turn, in clones that are made ahead. Whoever gives that role other
    /// rights for a moment takes it alone.
    pub owners: Arc<RwLock<()>>,
    /// Shared, for one statement, by whoever makes, drops or changes a database that is not the one that is judged.
    pub databases: Arc<RwLock<()>>,
    lent: Arc<Mutex<Lent>>,
}

/// What a judgement has changed on the whole server for as long as a statement runs.
#[derive(Debug, Default)]
enum Lent {
    #[default]
    Nothing,
    /// Nobody may run anything as the owner role, which has an administrator's rights.
    Rights { _alone: OwnedRwLockWriteGuard<()> },
    /// What other databases have of a role is out of sight.
    Sight,
}

impl Beside {
    /// From now on the owner role may have other rights, until [`Beside::taken_back`]. Whoever lends them may be dropped in the
    /// middle: nobody else runs as that role until roles have been arranged anew.
    pub fn lend_rights(&self, alone: OwnedRwLockWriteGuard<()>) {
        self.set(Lent::Rights { _alone: alone });
    }

    /// The same for what is put out of sight.
    pub fn put_out_of_sight(&self) {
        self.set(Lent::Sight);
    }

    /// All is as it was.
    pub fn taken_back(&self) {
        self.set(Lent::Nothing);
    }

    /// Whether something is lent, or was by a judgement that did not come to its end.
    pub fn is_lent(&self) -> bool {
        !matches!(*self.lent.lock().unwrap_or_else(PoisonError::into_inner), Lent::Nothing)
    }

    fn set(&self, lent: Lent) {
        *self.lent.lock().unwrap_or_else(PoisonError::into_inner) = lent;
    }
}
