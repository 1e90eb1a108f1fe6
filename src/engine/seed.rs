//! The seed: a cluster as `initdb` leaves it, kept on disk as a [pack](Tree::pack) and copied, so that `initdb` runs once per
//! installation.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use tokio::process::Command;

use super::account::Account;
use super::binaries::Binaries;
use super::bootstrap::ADMIN;
use super::copy::{Rest, Tree};
use super::folder::{self, Folder};
use super::{Error, ErrorKind, Place};

/// How many seeds are kept, for those who switch between installations.
const KEPT: usize = 3;

/// Raised when what is made of a seed changes.
const FORMAT: u32 = 4;

/// Where the seed of one installation is.
#[derive(Debug, Clone)]
pub(super) struct Seed {
    path: PathBuf,
}

impl Seed {
    pub(super) fn of(binaries: &Binaries, place: &Place) -> Seed {
        let mut hash = blake3::Hasher::new();
        hash.update(format!("{FORMAT} {} {}", binaries.folder.display(), binaries.version).as_bytes());
        if let Ok(metadata) = binaries.postgres().metadata() {
            hash.update(format!("{} {}", metadata.mtime(), metadata.size()).as_bytes());
        }
        let name = format!("{}-{}", binaries.major, &hash.finalize().to_hex()[..12]);
        Seed { path: place.state.join("seeds").join(name) }
    }

    pub(super) fn exists(&self) -> bool {
        self.path.is_file()
    }

    /// Copies the seed to `data`, as far as its server needs it to start.
    pub(super) async fn plant(&self, data: &Path, account: &Account) -> Result<Rest, Error> {
        let (from, to, account) = (self.path.clone(), data.to_owned(), account.clone());
        blocking(move || Tree::of_pack(&from)?.plant(&to, &account)).await
    }

    /// Keeps what was set aside, instead of what was kept before. A disk may take longer for it than the whole start
    /// does, so it happens beside the judging.
    pub(super) fn keep(&self, folder: &Folder) {
        let (seed, aside) = (self.clone(), folder.aside());
        tokio::task::spawn_blocking(move || {
            remove(&seed.path);
            if let Err(error) = seed.store(&aside) {
                tracing::warn!(%error, "the cluster is not kept for later starts");
            }
            let _ = fs::remove_dir_all(&aside);
        });
    }

    /// Appears whole or not at all.
    fn store(&self, from: &Path) -> Result<(), Error> {
        let Some(parent) = self.path.parent() else { return Ok(()) };
        private(parent)?;
        // Named after process and folder: two engines of one process may be at it at once.
        let name = blake3::hash(from.as_os_str().as_encoded_bytes()).to_hex();
        let draft = parent.join(format!(".{}-{}", std::process::id(), &name[..8]));
        remove(&draft);
        let stored = Tree::of_folder(from)
            .and_then(|tree| tree.pack(&draft))
            .and_then(|()| fs::rename(&draft, &self.path).map_err(|e| Error::io("write", &self.path, e)));
        if stored.is_err() {
            remove(&draft);
        }
        prune(parent);
        // Somebody else may have been faster with the same.
        if self.exists() { Ok(()) } else { stored }
    }
}

/// Removes all but the newest seeds, and what an interrupted run left.
fn prune(parent: &Path) {
    let mut seeds: Vec<(SystemTime, PathBuf)> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        // From before the clock was set back: older than whatever is made now.
        .map(|(made, path)| (if made.elapsed().is_ok() { made } else { SystemTime::UNIX_EPOCH }, path))
        .collect();
    seeds.sort();
    seeds.reverse();
    let day = SystemTime::now() - Duration::from_secs(24 * 3600);
    let draft = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let (drafts, seeds): (Vec<_>, Vec<_>) = seeds.into_iter().partition(|(_, path)| draft(path));
    let old = drafts.into_iter().filter(|(modified, _)| *modified < day);
    for (_, path) in seeds.into_iter().skip(KEPT).chain(old) {
        remove(&path);
    }
}

/// Removes a seed, also one that is a folder, as an earlier migd kept them.
fn remove(path: &Path) {
    let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
}

/// Makes a new cluster in `data`, whose parent the server's user can reach.
pub(super) async fn initdb(binaries: &Binaries, data: &Path, account: &Account) -> Result<(), Error> {
    let made = fs::DirBuilder::new().mode(0o700).create(data);
    made.map_err(|e| Error::io("make the folder", data, e))?;
    folder::give(data, account)?;
    let mut said = String::new();
    // C.UTF-8 classifies letters beyond ASCII and sorts by code point; not every system has it.
    for locale in ["C.UTF-8", "C"] {
        let mut command = program(&binaries.initdb(), account);
        command.arg("-D").arg(data).args(["-U", ADMIN, "-E", "UTF8", "-N", "--auth=trust", "--wal-segsize=4"]);
        command.arg(format!("--locale={locale}"));
        if binaries.major >= 18 {
            command.arg("--no-data-checksums");
        }
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let output = tokio::time::timeout(Duration::from_secs(60), command.output()).await;
        let output = output.map_err(|_| Error::new(ErrorKind::Start, "initdb took more than a minute", ""))?;
        let output = output.map_err(|e| Error::io("run", &binaries.initdb(), e))?;
        if output.status.success() {
            let data = data.to_owned();
            return blocking(move || slim(&data)).await;
        }
        said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if !said.contains("locale") {
            break;
        }
    }
    let said = said.lines().filter(|line| !line.is_empty()).take(5).collect::<Vec<_>>().join("; ");
    if said.contains("No space left on device") {
        let help = format!("free some space for {}, 100 MB at least", data.display());
        return Err(Error::new(ErrorKind::Folder, format!("initdb failed: {said}"), help));
    }
    let help = "mend what initdb names; or set engine.kind = \"container\"";
    Err(Error::new(ErrorKind::Start, format!("initdb failed: {said}"), help))
}

/// The number of `template0`, from 15 on.
const TEMPLATE0: &str = "4";

/// Removes the maps of free space and of visibility that `initdb` leaves: a quarter of the files that each new database is
/// copied from. They are hints, which the server makes anew where it vacuums. And the files of `template0`, which nobody can
/// connect to, and nobody here copies: a quarter of a fresh cluster.
fn slim(data: &Path) -> Result<(), Error> {
    let databases = data.join("base");
    let removed = || -> std::io::Result<()> {
        let template0 = databases.join(TEMPLATE0);
        if template0.exists() {
            fs::remove_dir_all(template0)?;
        }
        for database in fs::read_dir(&databases)? {
            for file in fs::read_dir(database?.path())? {
                let file = file?;
                let name = file.file_name();
                if name.to_string_lossy().ends_with("_fsm") || name.to_string_lossy().ends_with("_vm") {
                    fs::remove_file(file.path())?;
                }
            }
        }
        Ok(())
    };
    removed().map_err(|e| Error::io("thin out", &databases, e))
}

/// Copies a fresh cluster, on which no server has run yet, to where [`Seed::keep`] finds it.
pub(super) async fn set_aside(folder: &Folder, data: &Path) -> Result<(), Error> {
    let (from, to) = (data.to_owned(), folder.aside());
    blocking(move || Tree::of_folder(&from)?.copy(&to, &Account::own())).await
}

/// A program that runs as the server's user with nothing of migd's environment.
pub(super) fn program(path: &Path, account: &Account) -> Command {
    let mut command = Command::new(path);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC");
    command.current_dir("/").stdin(Stdio::null()).kill_on_drop(true);
    if account.dropped {
        // Setting the user as root clears the supplementary groups as well.
        command.uid(account.uid).gid(account.gid);
    }
    command
}

/// Makes a folder that is its owner's alone.
pub(super) fn private(folder: &Path) -> Result<(), Error> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|e| Error::io("make the folder", folder, e))
}

/// Does what may take long aside.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Error::new(ErrorKind::Folder, "copying was interrupted", "").because(error)),
    }
}
