//! Engines: what provides PostgreSQL. One trait, three of them: `container`, `local`, `url`.
//!
//! Every engine gives one cluster with two roles: an administrator, which migd alone uses, and the owner under which
//! migrations run, which is no superuser. Nothing but migd's user can reach the cluster.

use futures_util::future::BoxFuture;
pub mod session;

use std::sync::Arc;


/// A running PostgreSQL.
pub trait Engine: Send + Sync {
    /// What it is.
    fn info(&self) -> &Info;
    /// How to connect to `database` as `role`.
    fn config(&self, database: &str, role: Role) -> tokio_postgres::Config;
    /// How the names of migd's own databases begin.
    fn database_prefix(&self) -> &str;
    /// The role that owns them and under which migrations run.
    fn owner(&self) -> &str;
    /// A database to connect to before there is one of migd's own.
    fn maintenance_database(&self) -> &str;
    /// Whether the server is still there (the process or container, not a connection). Cheap.
    fn alive(&self) -> BoxFuture<'_, bool>;
    /// Stops the server (or removes migd's own databases, for `url`). Bounded; errors are logged.
    fn stop(&self) -> BoxFuture<'_, ()>;
}

/// What an engine is, for the verdict and `migd status`.
#[derive(Debug, Clone)]
pub struct Info {
    /// `container`, `local` or `url`.
    pub kind: &'static str,
    /// As in `17.5`.
    pub version: String,
    /// As in 17.
    pub major: u32,
    /// The image, the folder of the binaries, or the host: no password.
    pub source: String,
    /// The data is in memory.
    pub tmpfs: bool,
    /// The server's process, where it is ours to see.
    pub pid: Option<u32>,
}

/// Whom to connect as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Makes and drops databases, resets roles. Never runs a migration's statement, but for a lone `CREATE EXTENSION`.
    Admin,
    /// Owns the databases and runs the migrations.
    Owner,
}

/// Told what takes time while an engine starts (a pull, an initdb), for a person to read.
pub type Progress = Arc<dyn Fn(&str) + Send + Sync>;
