//! The daemon: one per user, started by whoever needs it, gone when it is idle. Lock, listener, shutdown.

mod aside;
mod attach;
mod engines;
pub mod live;
mod log;
mod moment;
mod rest;
mod servers;
pub mod service;
mod session;
pub mod spawn;
pub mod status;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

pub use service::{Reported, Service};

use crate::wire::{Endpoint, endpoint};

/// How many connections are served at once; more are told that the daemon is busy.
const MAX_CONNECTIONS: usize = 64;
/// How many repositories are made ready at once of which nobody waits for it; more are left to their next commit.
const MAX_WARMING: usize = 8;
/// How long a shutdown waits for judgements under way.
const DRAIN: Duration = Duration::from_secs(10);
/// How long a thread that reads repositories waits for the next one: it costs some kilobytes, and a commit a tenth of a
/// millisecond where it has to be made first.
const KEEP_ALIVE: Duration = Duration::from_secs(3600);
/// How often the daemon looks whether clients still find it, and whether it has rested since.
const LOOK: Duration = Duration::from_secs(10);

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another one has the lock. Not a failure: whoever wanted a daemon has one.
    #[error("a daemon is already running")]
    Running,
    /// A folder, the lock or the socket.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system says.
        error: io::Error,
    },
}

impl Error {
    fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let what = what.into();
        move |error| Error::Io { what, error }
    }
}

/// What every connection shares.
pub(crate) struct Daemon {
    pub(crate) service: Arc<Service>,
    pub(crate) build: String,
    pub(crate) started: Instant,
    pub(crate) endpoint: Endpoint,
    stop: Notify,
    connections: AtomicUsize,
    warming: Arc<Semaphore>,
}

/// Runs the daemon in the foreground until it is asked to stop or has nothing to do.
pub fn run(endpoint: Endpoint) -> Result<(), Error> {
    let _quiet = log::Quiet::begin();
    endpoint.prepare().map_err(Error::io("cannot make the runtime folder"))?;
    endpoint::private_dir(&endpoint.state).map_err(Error::io("cannot make the state folder"))?;
    let lock = take_lock(&endpoint)?;
    // Of its own session, so that no terminal's signals reach it. Fails when it leads one already.
    let _ = rustix::process::setsid();
    log::start(&endpoint.log()).map_err(Error::io("cannot open the log"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(8)
        .thread_keep_alive(KEEP_ALIVE)
        .enable_all()
        .build()
        .map_err(Error::io("cannot start the runtime"))?;
    // On a worker: a connection is then served by the thread that accepts it, and a commit waits for no other to wake up.
    let served = runtime.block_on(async { tokio::spawn(serve(endpoint)).await });
    let outcome = served.unwrap_or_else(|error| Err(Error::io("the daemon broke off")(io::Error::other(error))));
    runtime.shutdown_timeout(Duration::from_secs(2));
    drop(lock);
    outcome
}

/// The lock that makes this daemon the only one. Held until the process ends, however it ends.
fn take_lock(endpoint: &Endpoint) -> Result<File, Error> {
    let path = endpoint.lock();
    let open = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = open.map_err(Error::io(format!("cannot open {}", path.display())))?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {
            // Only to be said to a person: should it not be written, nothing is lost.
            let _ = file.set_len(0).and_then(|()| (&file).write_all(std::process::id().to_string().as_bytes()));
            Ok(file)
        }
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Running),
        Err(error) => Err(Error::io("cannot take the lock")(error.into())),
    }
}

async fn serve(endpoint: Endpoint) -> Result<(), Error> {
    let socket = endpoint.socket();
    // Only under the lock: nobody else can be listening on it.
    if let Err(error) = fs::remove_file(&socket)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(Error::io("cannot remove the stale socket")(error));
    }
    let listener = UnixListener::bind(&socket).map_err(Error::io("cannot listen"))?;
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).map_err(Error::io("cannot protect the socket"))?;
    let own = inode(&socket);
    let unreachable = out_of_reach(socket.clone(), own);
    let program = endpoint::program().map_err(Error::io("cannot find this program"))?;
    let daemon = Arc::new(Daemon {
        service: Arc::new(Service::new(&endpoint, false)),
        build: endpoint::build_of(&program),
        started: Instant::now(),
        endpoint: endpoint.clone(),
        stop: Notify::new(),
        connections: AtomicUsize::new(0),
        warming: Arc::new(Semaphore::new(MAX_WARMING)),
    });
    if let (Some(live), Some(own)) = (daemon.service.live(), own) {
        live.listens_at(socket.clone(), own);
    }
    tracing::info!(build = daemon.build, pid = std::process::id(), "listening");
    tokio::spawn(Arc::clone(&daemon.service).watch());
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::io("cannot handle signals"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::io("cannot handle signals"))?;
    let reason = loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => session::start(&daemon, stream),
                // Out of descriptors, most likely: let some connections end first.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            () = daemon.stop.notified() => break "asked to",
            () = daemon.service.idle() => break "idle",
            () = unreachable.notified() => break "its socket is gone",
            _ = terminate.recv() => break "terminated",
            _ = interrupt.recv() => break "interrupted",
        }
    };
    tracing::info!(reason, "stopping");
    drop(listener);
    daemon.service.close();
    // Somebody deleted the folder, and another daemon has taken this one's place and its servers.
    let replaced = inode(&socket).is_some_and(|there| Some(there) != own);
    // Before the servers stop: the next client starts a new daemon instead of waiting for this one.
    if !replaced {
        let _ = fs::remove_file(&socket);
    }
    let deadline = Instant::now() + DRAIN;
    while daemon.connections.load(Ordering::Acquire) > 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    if !replaced {
        daemon.service.stop().await;
    }
    tracing::info!("stopped");
    Ok(())
}

/// Notified when clients no longer find the socket, or find another one there. Looks, too, whether the daemon rests.
///
/// On a thread that sleeps: the runtime's clock wakes several times for each look, and does little else all day.
fn out_of_reach(socket: PathBuf, own: Option<u64>) -> Arc<Notify> {
    let gone = Arc::new(Notify::new());
    let tell = Arc::clone(&gone);
    let look = move || {
        let mut rest = rest::Rest::default();
        while inode(&socket) == own {
            rest.look();
            std::thread::sleep(LOOK);
        }
        tell.notify_one();
    };
    if let Err(error) = std::thread::Builder::new().name("look".to_owned()).stack_size(64 << 10).spawn(look) {
        tracing::warn!(%error, "whether clients still find the daemon is not looked at");
    }
    gone
}

fn inode(path: &Path) -> Option<u64> {
    fs::symlink_metadata(path).ok().map(|metadata| metadata.ino())
}

impl Daemon {
    pub(crate) fn ask_to_stop(&self) {
        self.stop.notify_one();
    }

    /// A place among what is made ready; none when all are taken.
    pub(crate) fn admit_warming(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.warming).try_acquire_owned().ok()
    }

    /// A place among the connections, none when all are taken.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Admitted> {
        let before = self.connections.fetch_add(1, Ordering::AcqRel);
        let admitted = Admitted(Arc::clone(self));
        (before < MAX_CONNECTIONS).then_some(admitted)
    }
}

/// One connection's place; given back when it is dropped.
pub(crate) struct Admitted(Arc<Daemon>);

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::AcqRel);
    }
}
