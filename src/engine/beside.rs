//! What goes on beside a judgement on the same server, and how a judgement has it to itself for as long as it must.
//!
//! Roles and databases are the whole server's. A migration that drops a role, or all that a role owns, looks into every
//! database there is: clones that are made or dropped at that moment get in its way, as they never would in production.

use std::sync::Arc;

use tokio::sync::RwLock;

/// One for a server. Whoever waits to have one of these alone must not hold it shared.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// Shared by what runs as the owner role without a turn, in clones that are made ahead. Whoever gives that role other
    /// rights for a moment takes it alone.
    pub owners: Arc<RwLock<()>>,
    /// Shared, for one statement, by whoever makes, drops or changes a database that is not the one that is judged.
    pub databases: Arc<RwLock<()>>,
}
