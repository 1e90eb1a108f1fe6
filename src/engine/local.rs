//! The local engine: a private cluster from installed binaries, on a socket, in memory where there is room.
//!
//! `initdb` runs once per installation; later starts copy its result, or the cluster that was put away, and spawn `postgres`
//! itself. The server outlives a
//! killed daemon, so what was started is written down (`server.json`): the next start takes the server over when it is
//! as the configuration wants it, and otherwise stops it and removes its folder.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::process::Child;
use tokio::sync::oneshot;
use tokio_postgres::Client;

use super::account::Account;
use super::binaries::{self, Binaries};
use super::bootstrap::{self, ADMIN, ALLOCATOR, APPLICATION, OWNER};
use super::folder::{self, Folder};
use super::kept::Kept;
use super::lock::Lock;
use super::process::Process;
use super::seed::{self, Seed};
use super::{Engine, Error, ErrorKind, Info, Luggage, Place, ProbeLine, Progress, Role, mismatch};
use crate::config;

/// How long a server may take from its start to its first connection.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much memory of its own each of the server's processes may have: without a container nothing else keeps one
/// statement from taking all that the machine has.
const MEMORY_KIB: &str = "2097152";

/// Becomes the program that is named after the bound. A process may only lower its own limits, and that before it is the
/// server; nothing but a shell does so everywhere. No core is written when it crashes, and where memory runs out it is
/// this that goes rather than what somebody works with.
const BOUNDED: &str = "ulimit -c 0; ulimit -d \"$0\"; echo 500 >/proc/self/oom_score_adj; exec \"$@\"";

/// The log is cut when it is larger.
const LOG_BYTES: u64 = 1 << 20;

/// A running private cluster.
struct Local {
    info: Info,
    folder: Folder,
    process: Process,
    /// None when the server was taken over. Kept so that the process is reaped when it ends.
    child: Mutex<Option<Child>>,
    /// Given back when the server is stopped.
    lock: Mutex<Option<Arc<Lock>>>,
    keeping: Keeping,
    /// What was put away with the cluster.
    contents: Mutex<Option<Vec<u8>>>,
    /// Whether it was started from what was put away.
    restored: bool,
}

/// How the cluster is put away.
#[derive(Clone)]
struct Keeping {
    kept: Kept,
    binaries: Binaries,
    account: Account,
    fingerprint: String,
}

/// What is written down about a running server.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    fingerprint: String,
    process: Process,
}

pub(super) async fn start(
    config: &config::Engine,
    place: &Place,
    progress: &Progress,
) -> Result<Arc<dyn Engine>, Error> {
    if config.superuser {
        return Err(Error::new(
            ErrorKind::Superuser,
            "the local engine does not run migrations as a superuser: they could run programs as you",
            "set engine.kind = \"container\", or engine.superuser = false",
        ));
    }
    let lock = Lock::take(place)?;
    super::sweep(place, "local").await;
    let binaries = binaries::find(config, place).await?;
    let settings = bootstrap::settings(binaries.major, true, &config.settings)?;
    let account = Account::choose()?;
    let installation = binaries.folder.display().to_string();
    let fingerprint = bootstrap::fingerprint(&["local", &installation, &binaries.version], &settings, false);
    let keeping = Keeping { kept: Kept::of(place), binaries, account, fingerprint };
    let plan = Plan { config, place, settings, keeping, lock: Arc::new(lock) };

    let roots = folder::roots(place, &plan.keeping.account);
    let mut usable = Vec::new();
    let mut refused = None;
    for root in &roots {
        let folder = Folder::at(root, place);
        match folder.exists() {
            Ok(true) => match plan.adopt(&folder).await {
                Some(engine) => return Ok(engine),
                None => {
                    clear(&folder).await?;
                    usable.push((root, folder));
                }
            },
            Ok(false) => usable.push((root, folder)),
            // Somebody else made it: another root will do.
            Err(error) => {
                tracing::warn!(%error, "a folder is taken");
                refused = Some(error);
            }
        }
    }
    let Some((_, folder)) = usable.into_iter().find(|(root, _)| folder::has_room(root)) else {
        return Err(refused.unwrap_or_else(|| Error::new(ErrorKind::Folder, "there is no folder for the data", "")));
    };
    plan.make(&folder, progress).await
}

/// Everything that is known before a server runs.
struct Plan<'a> {
    config: &'a config::Engine,
    place: &'a Place,
    settings: Vec<(String, String)>,
    keeping: Keeping,
    lock: Arc<Lock>,
}

/// What a new cluster is copied from.
enum Origin<'a> {
    /// What was put away, with its contents.
    Kept(Vec<u8>),
    Seed(&'a Seed),
    /// Nothing: `initdb` makes it, and the seed.
    Nothing(&'a Seed),
}

impl Plan<'_> {
    /// Takes over the server that runs in `folder`, if it is as it would be made now and answers.
    async fn adopt(&self, folder: &Folder) -> Option<Arc<dyn Engine>> {
        let record: Record = serde_json::from_slice(&fs::read(folder.record()).ok()?).ok()?;
        if record.fingerprint != self.keeping.fingerprint || !record.process.serves(&folder.data()) {
            return None;
        }
        let answer = async {
            let template = bootstrap::connect(&template(folder)).await.ok()?;
            bootstrap::prepare(template, &bootstrap::Owner::default()).await.ok()
        };
        let (version, major) = tokio::time::timeout(Duration::from_secs(5), answer).await.ok()??;
        Some(self.finish(folder, record.process, None, None, (version, major)))
    }

    /// Makes a new cluster and starts it.
    async fn make(&self, folder: &Folder, progress: &Progress) -> Result<Arc<dyn Engine>, Error> {
        let Keeping { kept, binaries, fingerprint, .. } = &self.keeping;
        if let Some(contents) = kept.contents(fingerprint, binaries) {
            match self.attempt(folder, Origin::Kept(contents), progress).await {
                Err(error) => {
                    tracing::warn!(%error, "the server did not start from what was put away");
                    kept.remove();
                }
                started => return started,
            }
        }
        let seed = Seed::of(binaries, self.place);
        if seed.exists() {
            match self.attempt(folder, Origin::Seed(&seed), progress).await {
                // The seed may have come to harm (a power cut can leave files empty): once more without it.
                Err(error) => tracing::warn!(%error, "the server did not start from the kept cluster"),
                started => return started,
            }
        }
        self.attempt(folder, Origin::Nothing(&seed), progress).await
    }

    async fn attempt(
        &self,
        folder: &Folder,
        origin: Origin<'_>,
        progress: &Progress,
    ) -> Result<Arc<dyn Engine>, Error> {
        let started = self.launch(folder, origin, progress).await;
        if started.is_err() {
            clear(folder).await?;
        }
        started
    }

    async fn launch(&self, folder: &Folder, origin: Origin<'_>, progress: &Progress) -> Result<Arc<dyn Engine>, Error> {
        let Keeping { kept, binaries, account, .. } = &self.keeping;
        let data = folder.data();
        folder.create(account)?;
        let (mut fresh, mut rest) = (None, None);
        match &origin {
            Origin::Kept(_) => rest = Some(kept.plant(&data, account).await?),
            Origin::Seed(seed) => rest = Some(seed.plant(&data, account).await?),
            Origin::Nothing(seed) => {
                progress(&format!("initialising a PostgreSQL {} cluster, once", binaries.version));
                seed::initdb(binaries, &data, account).await?;
                match seed::set_aside(folder, &data).await {
                    Ok(()) => fresh = Some(seed),
                    // A disk that has room for one cluster only: the next start makes it anew.
                    Err(error) => {
                        tracing::warn!(%error, "the fresh cluster is not kept");
                        let _ = fs::remove_dir_all(folder.aside());
                    }
                }
            }
        }
        // While the server starts. Waited for whatever becomes of it: nobody may write to a folder that is removed.
        let (told, first) = oneshot::channel();
        let first_is_there = || {
            let _ = told.send(());
        };
        let rest = tokio::task::spawn_blocking(move || match rest {
            Some(rest) => rest.finish(first_is_there),
            None => {
                first_is_there();
                Ok(())
            }
        });
        let prepared = matches!(origin, Origin::Kept(_));
        let (started, copied) = tokio::join!(self.run(folder, prepared, first), rest);
        copied.unwrap_or_else(|_| Err(Error::new(ErrorKind::Folder, "copying was interrupted", "")))?;
        let (process, child, version) = started?;
        if let Some(seed) = fresh {
            // Only now is it known to be good.
            seed.keep(folder);
        }
        let contents = if let Origin::Kept(contents) = origin { Some(contents) } else { None };
        Ok(self.finish(folder, process, Some(child), contents, version))
    }

    /// Starts the server on its data; `prepared` says that it has been one of migd's before. Connects to it when the `first`
    /// database is there.
    async fn run(
        &self,
        folder: &Folder,
        prepared: bool,
        first: oneshot::Receiver<()>,
    ) -> Result<(Process, Child, (String, u32)), Error> {
        self.admit(folder)?;
        let mut child = self.spawn(folder)?;
        let process = child.id().and_then(Process::observe);
        let process = process.ok_or_else(|| died(folder, "the server ended at once"))?;
        let record = Record { fingerprint: self.keeping.fingerprint.clone(), process: process.clone() };
        write(&folder.record(), &serde_json::to_vec(&record).unwrap_or_default())?;
        first.await.map_err(|_| died(folder, "the server's data could not be copied"))?;
        let template = self.await_ready(folder, &mut child).await?;
        let version = match prepared {
            true => bootstrap::version(&template).await?,
            false => bootstrap::prepare(template, &bootstrap::Owner::default()).await?,
        };
        Ok((process, child, version))
    }

    /// Lets in migd's user alone, whoever else can reach the socket, as the administrator and as the owner.
    fn admit(&self, folder: &Folder) -> Result<(), Error> {
        let account = &self.keeping.account;
        let client = account.client.replace('"', "\"\"");
        let map = format!("migd \"{client}\" {ADMIN}\nmigd \"{client}\" {OWNER}\n");
        for (path, text) in [(folder.hba(), "local all all peer map=migd\n"), (folder.ident(), map.as_str())] {
            write(&path, text.as_bytes())?;
            folder::give(&path, account)?;
        }
        Ok(())
    }

    fn spawn(&self, folder: &Folder) -> Result<Child, Error> {
        let Keeping { binaries, account, .. } = &self.keeping;
        let log = log_file(&folder.log())?;
        let mut command = seed::program(Path::new("/bin/sh"), account);
        command.args(["-c", BOUNDED, MEMORY_KIB]).arg(binaries.postgres());
        command.arg("-D").arg(folder.data()).kill_on_drop(false);
        command.envs(ALLOCATOR);
        // A Ctrl-C meant for migd is none for the server.
        command.process_group(0);
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let fixed = [
            ("listen_addresses", String::new()),
            ("unix_socket_directories", path(folder.socket())),
            ("port", "5432".to_owned()),
            ("hba_file", path(&folder.hba())),
            ("ident_file", path(&folder.ident())),
        ];
        let settings = self.settings.iter().map(|(name, value)| (name.as_str(), value));
        for (name, value) in settings.chain(fixed.iter().map(|(name, value)| (*name, value))) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        let both = log.try_clone().map_err(|e| Error::io("open", &folder.log(), e))?;
        command.stdout(Stdio::from(both)).stderr(Stdio::from(log));
        command.spawn().map_err(|e| {
            let message = format!("cannot run {}: {e}", binaries.postgres().display());
            Error::new(ErrorKind::Start, message, "check engine.bin_dir, and that the server's user may run it")
                .because(e)
        })
    }

    /// The first connection, for [`bootstrap::prepare`].
    async fn await_ready(&self, folder: &Folder, child: &mut Child) -> Result<Client, Error> {
        let config = template(folder);
        let until = Instant::now() + PATIENCE;
        loop {
            if let Ok(client) = bootstrap::connect(&config).await {
                return Ok(client);
            }
            match child.try_wait() {
                Ok(None) if Instant::now() < until => tokio::time::sleep(Duration::from_millis(1)).await,
                Ok(None) => return Err(died(folder, "the server does not answer")),
                _ => return Err(died(folder, "the server ended while it started")),
            }
        }
    }

    fn finish(
        &self,
        folder: &Folder,
        process: Process,
        child: Option<Child>,
        contents: Option<Vec<u8>>,
        (version, major): (String, u32),
    ) -> Arc<dyn Engine> {
        let info = Info {
            kind: "local",
            version,
            major,
            source: self.keeping.binaries.folder.display().to_string(),
            tmpfs: folder.tmpfs,
            pid: Some(process.pid()),
            database_prefix: "migd_".to_owned(),
            file_copy: major >= 15,
            superuser: false,
            shared: false,
            adopted: child.is_none(),
            mismatch: mismatch(self.config, major),
        };
        let (folder, child, keeping) = (folder.clone(), Mutex::new(child), self.keeping.clone());
        let (lock, restored, contents) =
            (Mutex::new(Some(self.lock.clone())), contents.is_some(), Mutex::new(contents));
        Arc::new(Local { info, folder, process, child, lock, keeping, contents, restored })
    }
}

impl Engine for Local {
    fn info(&self) -> &Info {
        &self.info
    }

    fn config(&self, database: &str, role: Role) -> tokio_postgres::Config {
        connection(&self.folder, database, role, Some(self.info.major))
    }

    fn alive(&self) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            self.reap();
            bound_log(&self.folder.log());
            // Logging out may clear memory folders under a server's feet.
            self.process.alive() && self.folder.data().join("postmaster.pid").exists()
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.halt().await;
            if self.restored {
                self.keeping.kept.remove();
            }
            self.leave().await;
        })
    }

    fn put_away(&self, luggage: Option<Luggage>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if self.halt().await
                && let Some(luggage) = luggage
            {
                let Keeping { kept, binaries, account, fingerprint } = &self.keeping;
                let stored = kept.store(&self.folder, luggage, fingerprint, binaries, account).await;
                if let Err(error) = stored {
                    tracing::warn!(%error, "the cluster is not put away");
                }
            }
            self.leave().await;
        })
    }

    fn contents(&self) -> Option<Vec<u8>> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn owner_sql(&self) -> Option<String> {
        Some(bootstrap::owner_sql(&bootstrap::Owner::default()))
    }

    fn lower(&self, process: i32) -> bool {
        self.process.lower(process)
    }
}

impl Local {
    /// Stops the server. Whether it is gone.
    async fn halt(&self) -> bool {
        let stopping = self.process.stop();
        let reaping = async {
            loop {
                self.reap();
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let stopped = tokio::select! { stopped = stopping => stopped, () = reaping => false };
        if !stopped {
            tracing::error!(pid = self.process.pid(), "the server cannot be stopped");
        }
        self.reap();
        stopped
    }

    /// Removes the data and lets others have the place.
    async fn leave(&self) {
        if let Err(error) = clear(&self.folder).await {
            tracing::error!(%error, "the data cannot be removed");
        }
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Takes leave of an ended child, which would stay a zombie.
    fn reap(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if child.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None))) {
            *child = None;
        }
    }
}

/// To the database that others are copied from.
fn template(folder: &Folder) -> tokio_postgres::Config {
    connection(folder, "template1", Role::Admin, None)
}

/// `major` where a migration may have been in the database.
fn connection(folder: &Folder, database: &str, role: Role, major: Option<u32>) -> tokio_postgres::Config {
    let mut config = tokio_postgres::Config::new();
    config.host_path(folder.socket()).port(5432).dbname(database).application_name(APPLICATION);
    match role {
        Role::Admin => config.user(ADMIN).options(bootstrap::admin_options(major)),
        Role::Owner => config.user(OWNER),
    };
    config.connect_timeout(Duration::from_secs(5));
    config
}

/// Stops whatever server still works in the folder, and removes it.
async fn clear(folder: &Folder) -> Result<(), Error> {
    let data = folder.data();
    let written = fs::read(folder.record()).ok().and_then(|text| serde_json::from_slice::<Record>(&text).ok());
    let written = written.map(|record| record.process);
    // Without our own record there is the server's: its number is the first line.
    let servers = fs::read_to_string(data.join("postmaster.pid")).ok();
    let servers = servers.and_then(|text| Process::observe(text.lines().next()?.trim().parse().ok()?));
    for process in [written, servers].into_iter().flatten() {
        if process.serves(&data) && !process.stop().await {
            let message = format!("an old server (process {}) cannot be stopped", process.pid());
            return Err(Error::new(ErrorKind::Busy, message, format!("kill -9 {}", process.pid())));
        }
    }
    let (folder, path) = (folder.clone(), data);
    let removed = tokio::task::spawn_blocking(move || folder.remove()).await;
    match removed {
        Ok(Err(error)) => Err(Error::io("remove", &path, error)),
        _ => Ok(()),
    }
}

/// Stops and removes what this owner has of local clusters.
pub(super) async fn sweep(place: &Place) {
    let Ok(account) = Account::choose() else { return };
    for root in folder::roots(place, &account) {
        let folder = Folder::at(&root, place);
        if matches!(folder.exists(), Ok(true))
            && let Err(error) = clear(&folder).await
        {
            tracing::warn!(%error, "an old cluster stays");
        }
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let draft = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
        .open(&draft)
        .and_then(|mut file| std::io::Write::write_all(&mut file, bytes))
        .and_then(|()| fs::rename(&draft, path))
        .map_err(|e| Error::io("write", path, e))
}

fn log_file(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    // Appending goes on at the end after the file was cut.
    options.append(true).create(true).mode(0o600);
    options.open(path).map_err(|e| Error::io("open", path, e))
}

fn bound_log(path: &Path) {
    if path.metadata().is_ok_and(|metadata| metadata.size() > LOG_BYTES) {
        let _ = OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(0));
    }
}

/// A start that failed, with what the server said last.
fn died(folder: &Folder, what: &str) -> Error {
    let log = fs::read(folder.log()).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let said: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let said = said[said.len().saturating_sub(4)..].join("; ");
    let message = if said.is_empty() { what.to_owned() } else { format!("{what}: {said}") };
    Error::new(
        ErrorKind::Start,
        message,
        "mend what the server names; engine.settings, memory and space on the disk are the usual causes",
    )
}

/// What the local engine needs.
pub(super) async fn probe(config: &config::Engine, place: &Place) -> Vec<ProbeLine> {
    let mut lines = Vec::new();
    match binaries::find(config, place).await {
        Ok(found) => {
            let text = format!("PostgreSQL {} in {}", found.version, found.folder.display());
            let mut line = ProbeLine::ok("PostgreSQL server programs", text);
            if let Some(mismatch) = mismatch(config, found.major) {
                let (remedy, code) = (Some(binaries::remedy()), Some(ErrorKind::Version.code()));
                line = ProbeLine { ok: false, optional: true, found: mismatch, remedy, code, ..line };
            }
            lines.push(line);
            lines.push(match bootstrap::settings(found.major, true, &config.settings) {
                Ok(_) => ProbeLine::ok("engine.settings", format!("{} of your own", config.settings.len())),
                Err(error) => ProbeLine::missing("engine.settings", &error),
            });
        }
        Err(error) => lines.push(ProbeLine::missing("PostgreSQL server programs", &error)),
    }
    match Account::choose() {
        Ok(account) => {
            let who = if account.dropped {
                format!("user {} (root is refused)", account.uid)
            } else {
                account.client.clone()
            };
            lines.push(ProbeLine::ok("the server's user", who));
            let mut refused = Error::new(ErrorKind::Folder, "none", "free some space");
            let root = folder::roots(place, &account).into_iter().filter(folder::has_room).find(|root| {
                // Somebody else's is passed over.
                Folder::at(root, place).exists().map_err(|error| refused = error).is_ok()
            });
            lines.push(match root {
                Some(root) if root.tmpfs => ProbeLine::ok("data folder", format!("{}, in memory", root.path.display())),
                Some(root) => ProbeLine::ok("data folder", format!("{}, on disk (slower)", root.path.display())),
                None => ProbeLine::missing("data folder", &refused),
            });
        }
        Err(error) => lines.push(ProbeLine::missing("the server's user", &error)),
    }
    lines
}
