//! Templates that a chain passes by: an audit needs each once, and then the same database, one migration further.

use std::sync::Arc;

use blake3::Hash;

use super::databases::{Owner, Unclaimed};
use super::{Error, Held, Pool, Template, Warmth};
use crate::engine::session::Session;

impl Pool {
    /// A database to migrate further from `from`: that template's own if it was only made in passing and nobody else wants
    /// it, else a clone. None when there is no such template.
    pub async fn go_on(self: &Arc<Self>, from: &Hash) -> Result<Option<Held>, Error> {
        let own = {
            let mut state = self.state();
            let free = |t: &Template| t.passing && t.coming == 0 && t.ready.is_empty();
            match state.templates.get(from).is_some_and(free) {
                true => state.templates.remove(from),
                false => None,
            }
        };
        let Some(Template { database, snapshot, shared, notes, .. }) = own else { return self.lease(from).await };
        let database = Unclaimed::of(self, database);
        self.strays_gone().await;
        self.arrange(&shared).await?;
        if let Some(sql) = self.owned_by(database.name(), Owner::Migrations) {
            let give = async |admin: &Session| admin.client().batch_execute(&sql).await;
            self.with(&self.maker, give, "hand a database over").await?;
        }
        let lease = self.connect(database, Some((snapshot, notes)), shared, Warmth::Cold).await?;
        Ok(Some(Held { pool: Arc::clone(self), lease: Some(lease) }))
    }

    /// [`Pool::seal`], for as long as the chain does not [`go on`](Pool::go_on) from there.
    pub async fn seal_in_passing(self: &Arc<Self>, held: Held, prefix: Hash) -> Result<(), Error> {
        self.seal(held, prefix).await?;
        if let Some(template) = self.state().templates.get_mut(&prefix) {
            template.passing = true;
        }
        Ok(())
    }
}
