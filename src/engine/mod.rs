//! Engines: what provides PostgreSQL. One trait, three of them: `container`, `local`, `url`, and `auto` that chooses.
//!
//! Every engine gives one cluster with two roles: an administrator, which migd alone uses, and the owner under which
//! migrations run, which is no superuser. Nothing but migd's user can reach the cluster.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::config;

mod account;
mod auto;
pub mod beside;
mod binaries;
pub mod bootstrap;
mod container;
mod copy;
pub mod elsewhere;
mod endpoint;
mod error;
mod folder;
mod image;
mod kept;
mod local;
mod lock;
pub mod pace;
mod process;
mod seed;
pub mod session;
mod told;
mod url;

pub use error::{Error, ErrorKind};
pub use told::{changed, mark};

/// A running PostgreSQL.
pub trait Engine: Send + Sync {
    /// What it is.
    fn info(&self) -> &Info;
    /// How to connect to `database` as `role`.
    fn config(&self, database: &str, role: Role) -> tokio_postgres::Config;
    /// Whether the server is still there (the process or container, not a connection). Cheap.
    fn alive(&self) -> BoxFuture<'_, bool>;
    /// Stops the server (or removes migd's own databases, for `url`), and forgets what it was started from if that was put
    /// away. Bounded; errors are logged.
    fn stop(&self) -> BoxFuture<'_, ()>;
    /// Stops the server and puts its cluster away for the next start of this owner, where the engine can do that. Without
    /// `luggage`, what was put away before stays. Bounded; errors are logged.
    fn put_away(&self, _luggage: Option<Luggage>) -> BoxFuture<'_, ()> {
        self.stop()
    }
    /// The contents of the cluster that this server was started from, if it had been put away. Given once.
    fn contents(&self) -> Option<Vec<u8>> {
        None
    }
    /// Brings the owner's role back to what it was at the start (rights, password, settings), whatever a migration did
    /// to it. For the administrator, in any database; none where the role is not migd's.
    fn owner_sql(&self) -> Option<String> {
        None
    }
    /// Has the server's process of one session give way to everything else on the machine, for as long as it lives. Whether
    /// that could be done.
    fn lower(&self, _process: i32) -> bool {
        false
    }
}

/// What of a cluster is put away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Luggage {
    /// For whoever starts from it: what is in it.
    pub contents: Vec<u8>,
    /// The numbers of all databases that the server knows. The files of others are left behind.
    pub databases: Vec<u32>,
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
    /// Every database that migd makes on this cluster is named with this in front. At start none is left but in a cluster
    /// that was adopted or put away.
    pub database_prefix: String,
    /// `CREATE DATABASE … STRATEGY file_copy` is understood (from 15 on; before, it is the only way and has no name).
    pub file_copy: bool,
    /// The owner is a superuser.
    pub superuser: bool,
    /// The cluster is somebody else's as well: roles and settings that migd did not make are not to be touched.
    pub shared: bool,
    /// The server was running already and was taken over, with whatever databases it has.
    pub adopted: bool,
    /// Said in every verdict: the major version is not the one that `engine.postgres` asks for.
    pub mismatch: Option<String>,
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

/// Where an engine may put things, and what it may know of its surroundings.
#[derive(Debug, Clone)]
pub struct Place {
    /// Sockets and locks: a short path, mode 0700, gone after a reboot.
    pub runtime: PathBuf,
    /// What survives reboots: the initialised cluster that is copied.
    pub state: PathBuf,
    /// Tells apart daemons on one machine; `[a-z0-9]`, at most 24 characters. Part of labels, folders and database names.
    pub owner: String,
    /// The environment variables that matter here.
    pub env: Environment,
}

/// The environment variables that engines look at, read by [`crate::wire`].
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `PATH`.
    pub path: Option<OsString>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub xdg_runtime_dir: Option<PathBuf>,
    /// `DOCKER_HOST`, or `CONTAINER_HOST`.
    pub docker_host: Option<String>,
    /// `DOCKER_CONTEXT`.
    pub docker_context: Option<String>,
    /// `DOCKER_CONFIG`.
    pub docker_config: Option<PathBuf>,
    /// `DOCKER_CERT_PATH`.
    pub docker_cert_path: Option<PathBuf>,
    /// `DOCKER_TLS_VERIFY` is set and not empty.
    pub docker_tls_verify: bool,
}

impl Place {
    /// The same place for another owner: one of the slots of runs without a daemon.
    fn slot(&self, slot: u32) -> Place {
        Place { owner: format!("{}s{slot}", self.owner), ..self.clone() }
    }

    /// Refuses what could not be part of a path, a label and a database name alike.
    fn checked(&self) -> Result<(), Error> {
        let fine = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        if self.owner.is_empty() || self.owner.len() > 27 || !self.owner.bytes().all(fine) {
            return Err(Error::new(
                ErrorKind::Folder,
                format!("{:?} cannot tell engines apart", self.owner),
                "use 1 to 24 lower-case letters and digits",
            ));
        }
        Ok(())
    }
}

/// Starts the configured engine, or takes over the one that an earlier daemon of this owner left running.
///
/// One process at a time has an owner's engine; a second gets [`ErrorKind::Busy`].
pub async fn start(config: &config::Engine, place: &Place, progress: &Progress) -> Result<Arc<dyn Engine>, Error> {
    place.checked()?;
    match config.kind {
        config::EngineKind::Auto => auto::start(config, place, progress).await,
        config::EngineKind::Local => local::start(config, place, progress).await,
        config::EngineKind::Container => container::start(config, place, progress).await,
        config::EngineKind::Url => url::start(config, place).await,
    }
}

/// Removes what an engine of another kind left of this owner, for who changes the configuration after a crash.
async fn sweep(place: &Place, kind: &str) {
    if kind != "local" {
        local::sweep(place).await;
    }
    if kind != "container" {
        container::sweep(place).await;
    }
}

/// Whether no other process has this owner's engine.
pub fn free(place: &Place) -> Result<(), Error> {
    lock::Lock::take(place).map(drop)
}

/// Removes the container that could not be removed when its server was given up, if one is written down: its engine did not
/// answer then.
pub async fn forsake(place: &Place) {
    container::sweep(place).await;
}

/// As [`start`], for a run without a daemon: takes the first of a few slots beside the daemon's own engine, so that
/// such runs neither meet the daemon nor each other, and what a killed one left is taken over by the next.
pub async fn start_once(config: &config::Engine, place: &Place, progress: &Progress) -> Result<Arc<dyn Engine>, Error> {
    const SLOTS: u32 = 64;
    let mut last = None;
    for slot in 0..SLOTS {
        match start(config, &place.slot(slot), progress).await {
            Err(busy) if busy.kind() == ErrorKind::Busy => last = Some(busy),
            other => return other,
        }
    }
    Err(last.unwrap_or_else(|| Error::new(ErrorKind::Busy, "no engine is free", "try again later")))
}

/// One precondition of an engine, for `migd doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeLine {
    /// What was looked at.
    pub what: String,
    /// Whether it is as needed.
    pub ok: bool,
    /// What was found.
    pub found: String,
    /// What to do when it is not.
    pub remedy: Option<String>,
    /// There is a verdict without it: another engine is chosen, it comes by itself, or the verdict says so.
    pub optional: bool,
    /// The finding code of a judgement that fails for want of it.
    pub code: Option<&'static str>,
}

impl ProbeLine {
    fn ok(what: &str, found: impl Into<String>) -> Self {
        ProbeLine { what: what.to_owned(), ok: true, found: found.into(), remedy: None, optional: false, code: None }
    }

    fn missing(what: &str, error: &Error) -> Self {
        ProbeLine {
            what: what.to_owned(),
            ok: false,
            found: error.to_string(),
            remedy: Some(error.help().to_owned()).filter(|help| !help.is_empty()),
            optional: false,
            code: Some(error.code()),
        }
    }
}

/// What each engine that the configuration allows needs, and whether it is there. Starts nothing.
pub async fn probe(config: &config::Engine, place: &Place) -> Vec<ProbeLine> {
    match config.kind {
        config::EngineKind::Local => local::probe(config, place).await,
        config::EngineKind::Container => container::probe(config, place).await,
        config::EngineKind::Url => url::probe(config).await,
        config::EngineKind::Auto => {
            let mut container = container::probe(config, place).await;
            let mut local = local::probe(config, place).await;
            let fine = |lines: &[ProbeLine]| lines.iter().all(|line| line.ok || line.optional);
            let (container_fine, local_fine) = (fine(&container), fine(&local) && !config.superuser);
            container.iter_mut().filter(|line| !line.ok).for_each(|line| line.optional |= local_fine);
            local.iter_mut().filter(|line| !line.ok).for_each(|line| line.optional |= container_fine);
            container.append(&mut local);
            container
        }
    }
}

/// What to say when the server's major version is not the one asked for.
fn mismatch(config: &config::Engine, major: u32) -> Option<String> {
    let wanted = config.postgres.trim();
    (!wanted.is_empty() && wanted.split('.').next() != Some(major.to_string().as_str()))
        .then(|| format!("judged on PostgreSQL {major}, but engine.postgres asks for {wanted}"))
}
