//! A cluster that was put away when it was stopped, with the databases that the next start wants: it is copied in the place
//! of the seed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::account::Account;
use super::binaries::Binaries;
use super::copy::{Rest, Tree};
use super::folder::Folder;
use super::{Error, ErrorKind, Luggage, Place, seed, told};
use crate::wire::file;

/// The file with the cluster's files.
const CLUSTER: &str = "cluster";
/// How many engine configurations' clusters are kept, and for how long after they were put away.
const MOST: usize = 3;
const GOOD_FOR: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long the system may take to write a cluster to the disk.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where one owner's cluster is put away: `cluster` (a [pack](Tree::pack)), `contents` and `about.json`.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    path: PathBuf,
}

/// What decides whether a cluster may be started.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct About {
    /// The server's: see [`super::bootstrap::fingerprint`].
    fingerprint: String,
    /// What an upgrade of the server's program changes.
    program: Option<String>,
    /// The hash of `contents`.
    contents: String,
    /// Set when it was not known to be on the disk when this was written: it is whole for as long as the system runs.
    boot: Option<String>,
}

impl Kept {
    pub(super) fn of(place: &Place) -> Kept {
        Kept { path: place.state.join("kept").join(&place.owner) }
    }

    /// What whoever put the cluster away wrote of its databases; none when there is no cluster that this server can run.
    pub(super) fn contents(&self, fingerprint: &str, binaries: &Binaries) -> Option<Vec<u8>> {
        let about: About = serde_json::from_slice(&fs::read(self.path.join("about.json")).ok()?).ok()?;
        let whole = about.boot.is_none() || about.boot == boot();
        let same = about.fingerprint == fingerprint && about.program == told::mark(&binaries.postgres());
        let contents = if whole && same { fs::read(self.path.join("contents")).ok()? } else { return None };
        if hash(&contents) == about.contents {
            return Some(contents);
        }
        tracing::warn!("what was put away is damaged");
        self.remove();
        None
    }

    /// Copies the cluster to `data`, as far as its server needs it to start.
    pub(super) async fn plant(&self, data: &Path, account: &Account) -> Result<Rest, Error> {
        let (from, to, account) = (self.path.join(CLUSTER), data.to_owned(), account.clone());
        seed::blocking(move || Tree::of_pack(&from)?.plant(&to, &account)).await
    }

    /// Puts away the cluster in `folder`, which has been stopped. Nothing takes the place of what was kept when it was not
    /// stopped in order.
    pub(super) async fn store(
        &self,
        folder: &Folder,
        luggage: Luggage,
        fingerprint: &str,
        binaries: &Binaries,
        account: &Account,
    ) -> Result<(), Error> {
        let data = folder.data();
        let wal = last_wal(binaries, &data, account).await?;
        let program = told::mark(&binaries.postgres());
        let contents = hash(&luggage.contents);
        let about = About { fingerprint: fingerprint.to_owned(), program, contents, boot: None };
        let this = self.clone();
        seed::blocking(move || {
            slim(&data, &wal).map_err(|e| Error::io("thin out", &data, e))?;
            this.replace(&data, &luggage, about)
        })
        .await
    }

    /// Appears whole or not at all.
    fn replace(&self, data: &Path, luggage: &Luggage, about: About) -> Result<(), Error> {
        let Some(parent) = self.path.parent() else { return Ok(()) };
        seed::private(parent)?;
        let draft = self.path.with_extension("new");
        let _ = fs::remove_dir_all(&draft);
        let stored = self.fill(&draft, data, luggage, about);
        if stored.is_err() {
            let _ = fs::remove_dir_all(&draft);
        }
        prune(parent);
        stored
    }

    fn fill(&self, draft: &Path, data: &Path, luggage: &Luggage, mut about: About) -> Result<(), Error> {
        seed::private(draft)?;
        Tree::of_folder(data)?.with_databases(&luggage.databases).pack(&draft.join(CLUSTER))?;
        let write = |name: &str, bytes: &[u8]| {
            file::replace(&draft.join(name), bytes, file::PRIVATE).map_err(|e| Error::io("write", &draft.join(name), e))
        };
        write("contents", &luggage.contents)?;
        if !is_on_disk(draft) {
            about.boot = boot();
            if about.boot.is_none() {
                return Err(Error::new(ErrorKind::Folder, "the disk is too slow to keep a cluster on", ""));
            }
        }
        write("about.json", &serde_json::to_vec(&about).unwrap_or_default())?;
        self.remove();
        fs::rename(draft, &self.path).map_err(|e| Error::io("make the folder", &self.path, e))
    }

    /// Forgets the cluster: it did not start, or was lost.
    pub(super) fn remove(&self) {
        // First what makes it one.
        let _ = fs::remove_file(self.path.join("about.json"));
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn hash(contents: &[u8]) -> String {
    blake3::hash(contents).to_hex().to_string()
}

/// The log's last segment, which a start reads; an error when the server was not stopped in order.
async fn last_wal(binaries: &Binaries, data: &Path, account: &Account) -> Result<String, Error> {
    let mut command = seed::program(&binaries.controldata(), account);
    command.arg("-D").arg(data);
    let said = tokio::time::timeout(Duration::from_secs(5), command.output()).await;
    let said = said.map_err(|_| Error::new(ErrorKind::Start, "pg_controldata took too long", ""))?;
    let said = said.map_err(|e| Error::io("run", &binaries.controldata(), e))?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let value = |name: &str| {
        said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim).unwrap_or_default()
    };
    match (value("Database cluster state"), value("Latest checkpoint's REDO WAL file")) {
        ("shut down", wal) if !wal.is_empty() => Ok(wal.to_owned()),
        (state, _) => Err(Error::new(ErrorKind::Start, format!("the server was not stopped in order ({state})"), "")),
    }
}

/// Removes what no start of the cluster reads.
fn slim(data: &Path, wal: &str) -> std::io::Result<()> {
    let folder = data.join("pg_wal");
    let mut segments = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            segments.push(entry.file_name());
        }
    }
    segments.sort();
    // The checkpoint may go on in the segment after its own.
    let last = segments.iter().position(|name| name == wal).unwrap_or_default();
    for (at, name) in segments.iter().enumerate() {
        if at != last && at != last + 1 {
            fs::remove_file(folder.join(name))?;
        }
    }
    let _ = fs::remove_file(data.join("postmaster.opts"));
    Ok(())
}

/// Has the system write what it has of this disk. Whether it did so in time.
fn is_on_disk(folder: &Path) -> bool {
    let (done, wait) = std::sync::mpsc::channel();
    let folder = folder.to_owned();
    // Nothing ends such a call: it is left to itself when it takes too long.
    std::thread::spawn(move || done.send(sync(&folder)));
    matches!(wait.recv_timeout(PATIENCE), Ok(Ok(())))
}

#[cfg(target_os = "linux")]
fn sync(folder: &Path) -> std::io::Result<()> {
    Ok(rustix::fs::syncfs(fs::File::open(folder)?)?)
}

#[cfg(not(target_os = "linux"))]
fn sync(_: &Path) -> std::io::Result<()> {
    rustix::fs::sync();
    Ok(())
}

/// Tells this run of the system from the next; none where it does not say.
fn boot() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
}

/// Removes what was put away long ago, all but the newest, and what an interrupted run left.
fn prune(parent: &Path) {
    let folders = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut known: Vec<(SystemTime, PathBuf)> = folders
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        // From before the clock was set back: older than whatever is put away now.
        .map(|(put, path)| (if put.elapsed().is_ok() { put } else { SystemTime::UNIX_EPOCH }, path))
        .collect();
    known.sort();
    known.reverse();
    for (at, (modified, path)) in known.into_iter().enumerate() {
        let old = modified.elapsed().is_ok_and(|age| age > GOOD_FOR);
        if at >= MOST || old {
            let _ = fs::remove_dir_all(path);
        }
    }
}
