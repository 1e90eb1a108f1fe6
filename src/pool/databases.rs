//! The databases themselves: made, handed over, dropped.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_postgres::SimpleQueryMessage;

use super::{Error, MAINTENANCE, Pool};
use crate::engine::session::Session;
use crate::engine::{Role, bootstrap};

/// Whom a new database belongs to. The owner of a database may drop it, or change what its sessions begin with: a
/// migration owns the one that it is judged in, and only for so long.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The administrator: it waits for its judgement.
    Admin,
    /// The role of migrations.
    Migrations,
}

/// A new database that nobody has a session in yet. Dropped with this value: whoever wanted it may have given up.
pub(super) struct Unclaimed {
    pool: Arc<Pool>,
    database: Option<String>,
}

impl Unclaimed {
    pub(super) fn of(pool: &Arc<Pool>, database: String) -> Unclaimed {
        Unclaimed { pool: Arc::clone(pool), database: Some(database) }
    }

    pub(super) fn name(&self) -> &str {
        self.database.as_deref().unwrap_or_default()
    }

    /// Somebody has sessions in it, and drops it.
    pub(super) fn claim(mut self) {
        self.database = None;
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        // Without a runtime the process is ending, and the server with it.
        let (Some(database), Ok(runtime)) = (self.database.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let pool = Arc::clone(&self.pool);
        runtime.spawn(async move {
            if let Err(error) = pool.drop_database(&database).await {
                tracing::warn!(%error, database, "a database stays behind");
            }
        });
    }
}

/// Has the server write down what has been committed so far. Commits are not waited for, and when one of the server's processes
/// crashes, it starts again from what was written: a template would lack its chain's end and still be taken for whole.
pub(super) async fn keep(session: &Session) -> Result<(), tokio_postgres::Error> {
    // Only a transaction that has written something itself is waited for: this writes a message that nobody reads.
    let sql = "SELECT pg_catalog.set_config('synchronous_commit', 'on', true),
                      pg_catalog.pg_logical_emit_message(true, 'migd', ''::pg_catalog.text)";
    session.client().batch_execute(sql).await
}

impl Pool {
    /// The statement that makes a database `owner`'s; none where both are the same role.
    pub(super) fn owned_by(&self, database: &str, owner: Owner) -> Option<String> {
        if self.engine.info().shared {
            return None;
        }
        if owner == Owner::Migrations {
            self.state().lent.insert(database.to_owned());
        }
        Some(format!("ALTER DATABASE \"{database}\" OWNER TO \"{}\"", self.role(owner)))
    }

    pub(super) fn role(&self, owner: Owner) -> String {
        let (role, usual) = match owner {
            Owner::Admin => (Role::Admin, bootstrap::ADMIN),
            Owner::Migrations => (Role::Owner, bootstrap::OWNER),
        };
        self.engine.config(MAINTENANCE, role).get_user().unwrap_or(usual).to_owned()
    }

    /// Makes a database. On a task of its own: the server does not stop making one when nobody waits for it any more.
    pub(super) async fn create(self: &Arc<Self>, template: &str, owner: Owner) -> Result<Unclaimed, Error> {
        let (pool, template) = (Arc::clone(self), template.to_owned());
        let made = tokio::spawn(async move {
            let database = pool.create_now(&template, owner).await?;
            Ok(Unclaimed::of(&pool, database))
        });
        made.await.unwrap_or_else(|error| Err(Error::Server { what: "create a database", message: error.to_string() }))
    }

    pub(super) async fn create_now(&self, template: &str, owner: Owner) -> Result<String, Error> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let database = format!("{}{}_{number}", self.engine.info().database_prefix, self.run);
        let strategy = if self.engine.info().file_copy { " STRATEGY file_copy" } else { "" };
        if owner == Owner::Migrations {
            self.state().lent.insert(database.clone());
        }
        let owner = self.role(owner);
        let sql = format!("CREATE DATABASE \"{database}\" TEMPLATE \"{template}\" OWNER \"{owner}\"{strategy}");
        let make = async |admin: &Session| {
            let _databases = self.beside.databases.read().await;
            admin.client().batch_execute(&sql).await
        };
        self.with(&self.maker, make, "create a database").await?;
        Ok(database)
    }

    /// Waits until no session is left in a database that is to be copied: the server itself would look again only after
    /// 100 ms.
    pub(super) async fn emptied(&self, database: &str) -> Result<(), Error> {
        let sql = format!("SELECT 1 FROM pg_catalog.pg_stat_activity WHERE datname = '{database}'");
        let work = async |admin: &Session| {
            for _ in 0..100 {
                let rows = admin.client().simple_query(&sql).await?;
                if !rows.iter().any(|message| matches!(message, SimpleQueryMessage::Row(_))) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Ok(())
        };
        self.with(&self.maker, work, "list sessions").await
    }

    /// All databases that migd has made on this cluster.
    pub(super) async fn own_databases(&self) -> Result<Vec<String>, Error> {
        let sql = "SELECT datname::text FROM pg_catalog.pg_database WHERE starts_with(datname::text, $1)";
        let prefix = &self.engine.info().database_prefix;
        let listed = async |admin: &Session| admin.client().query(sql, &[prefix]).await;
        let rows = self.with(&self.dropper, listed, "list databases").await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Ends all sessions in them. The administrator's own are elsewhere.
    pub(super) async fn end_sessions(&self) -> Result<(), Error> {
        let sql = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
                   WHERE starts_with(datname::text, $1)";
        let prefix = &self.engine.info().database_prefix;
        let ended = async |admin: &Session| admin.client().query(sql, &[prefix]).await.map(drop);
        self.with(&self.dropper, ended, "end sessions").await
    }

    pub(super) async fn drop_database(&self, database: &str) -> Result<(), Error> {
        let leaving = "SELECT FROM pg_catalog.pg_stat_activity WHERE datname = $1";
        let name = database.replace('"', "\"\"");
        let plain = format!("DROP DATABASE IF EXISTS \"{name}\"");
        let untitled = format!("ALTER DATABASE \"{name}\" IS_TEMPLATE false");
        let forced = format!("{plain} (FORCE)");
        let is = |error: &tokio_postgres::Error, code: &str| error.code().is_some_and(|found| found.code() == code);
        let work = async |admin: &Session| {
            // The server itself would look again only after 100 ms.
            for _ in 0..100 {
                if admin.client().query(leaving, &[&database]).await?.is_empty() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let _databases = self.beside.databases.read().await;
            let dropped = async || match admin.client().batch_execute(&plain).await {
                // Its owner called it a template.
                Err(error) if is(&error, "42809") => {
                    admin.client().batch_execute(&untitled).await?;
                    admin.client().batch_execute(&forced).await
                }
                Err(error) if is(&error, "55006") => admin.client().batch_execute(&forced).await,
                other => other,
            };
            match dropped().await {
                // A migration that is being run drops a role that is granted something on it. It has ended by now.
                Err(error) if is(&error, "XX000") => dropped().await,
                other => other,
            }
        };
        self.with(&self.dropper, work, "drop a database").await?;
        self.state().lent.remove(database);
        Ok(())
    }

    /// Drops databases that migrations have made: before 16, a role that makes roles can let itself make databases.
    pub(super) async fn drop_strangers(&self) -> Result<(), Error> {
        if self.engine.info().shared {
            return Ok(());
        }
        let sql = "SELECT d.datname::text FROM pg_catalog.pg_database d JOIN pg_catalog.pg_roles r ON r.oid = d.datdba
                   WHERE r.rolname <> session_user";
        let owned = async |admin: &Session| admin.client().query(sql, &[]).await;
        for row in self.with(&self.dropper, owned, "list databases").await? {
            let database: String = row.get(0);
            let lent = self.state().lent.contains(&database);
            if !lent {
                tracing::info!("a database that a migration made is dropped");
                self.drop_database(&database).await?;
            }
        }
        Ok(())
    }
}
