//! The folder of a local cluster: in memory where there is room, made so that nobody else can get at it or slip
//! something under it.
//!
//! `/dev/shm` is everyone's. A folder in it is made exclusively, never through a link, and one found there is used only
//! when it is a real folder of our own with a mode that shuts others out.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid};

use super::account::Account;
use super::{Error, ErrorKind, Place};

/// Less free memory than this, and the data goes to disk.
const ROOM: u64 = 1 << 30;

/// The longest path of a socket that every system takes, with room for its name in the folder.
const LONGEST_SOCKET_FOLDER: usize = 103 - "/.s.PGSQL.5432".len();

/// A folder that may hold clusters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Root {
    pub(super) path: PathBuf,
    pub(super) tmpfs: bool,
}

/// Every place where a cluster of this owner may be, the best first.
pub(super) fn roots(place: &Place, account: &Account) -> Vec<Root> {
    let mut roots = Vec::new();
    for path in [Some(PathBuf::from("/dev/shm")), place.env.xdg_runtime_dir.clone()].into_iter().flatten() {
        if in_memory(&path) && account.reaches(&path) {
            roots.push(Root { path, tmpfs: true });
        }
    }
    // Root's own state is closed to the user that the server runs as.
    let disk = if account.dropped { PathBuf::from("/var/lib/migd") } else { place.state.join("clusters") };
    roots.push(Root { path: disk, tmpfs: false });
    roots
}

/// Whether there is room for a cluster; disks are not asked.
#[allow(clippy::useless_conversion, reason = "the types differ between systems")]
pub(super) fn has_room(root: &Root) -> bool {
    if !root.tmpfs {
        return true;
    }
    let free = rustix::fs::statvfs(&root.path).map_or(0, |s| s.f_bavail.saturating_mul(s.f_frsize));
    free.min(available_memory()) >= ROOM
}

#[cfg(target_os = "linux")]
#[allow(clippy::useless_conversion, reason = "the types differ between systems")]
fn in_memory(path: &Path) -> bool {
    // The magic number of tmpfs; its type differs between machines.
    rustix::fs::statfs(path).is_ok_and(|s| s.f_type == 0x0102_1994)
}

#[cfg(not(target_os = "linux"))]
fn in_memory(_: &Path) -> bool {
    false
}

/// Memory that can be had without swapping: a tmpfs promises half of the machine whether it is free or not.
fn available_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok())
        .map_or(u64::MAX, |kib| kib << 10)
}

/// The folder of one cluster: `data`, `s` (the socket), `server.log`, `server.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folder {
    path: PathBuf,
    socket: PathBuf,
    pub(super) tmpfs: bool,
}

impl Folder {
    /// The one that this owner has in `root`, made or not.
    pub(super) fn at(root: &Root, place: &Place) -> Folder {
        let path = root.path.join(format!("migd-{}", place.owner));
        let mut socket = path.join("s");
        if socket.as_os_str().len() > LONGEST_SOCKET_FOLDER {
            socket = place.runtime.join(format!("s-{}", place.owner));
        }
        Folder { path, socket, tmpfs: root.tmpfs }
    }

    pub(super) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Where the fresh cluster waits to be kept.
    pub(super) fn aside(&self) -> PathBuf {
        self.path.join("seed")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.path.join("server.log")
    }

    /// Who may connect: outside the server's own folder, so that it is written where only migd's user writes.
    pub(super) fn hba(&self) -> PathBuf {
        self.path.join("pg_hba.conf")
    }

    pub(super) fn ident(&self) -> PathBuf {
        self.path.join("pg_ident.conf")
    }

    pub(super) fn record(&self) -> PathBuf {
        self.path.join("server.json")
    }

    /// Whether it exists and is ours alone. Somebody else's, or a link, is an error.
    pub(super) fn exists(&self) -> Result<bool, Error> {
        let metadata = match fs::symlink_metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Error::io("look at", &self.path, error)),
        };
        if metadata.is_dir() && metadata.uid() == Uid::effective().as_raw() && metadata.mode() & 0o066 == 0 {
            return Ok(true);
        }
        Err(Error::new(
            ErrorKind::Folder,
            format!("{} is not a private folder of this user", self.path.display()),
            "remove it, or ask whoever made it",
        ))
    }

    /// Makes it, with the folder of the socket; `data` is left to be made.
    pub(super) fn create(&self, account: &Account) -> Result<(), Error> {
        let make = |path: &Path, mode| {
            DirBuilder::new().mode(mode).create(path).map_err(|e| Error::io("make the folder", path, e))
        };
        if let Some(parent) = self.path.parent().filter(|parent| !parent.exists()) {
            let mode = if account.dropped { 0o711 } else { 0o700 };
            let made = DirBuilder::new().recursive(true).mode(mode).create(parent);
            made.map_err(|e| Error::io("make the folder", parent, e))?;
        }
        // Root owns the folder and lets the server's user through to its own parts.
        make(&self.path, if account.dropped { 0o711 } else { 0o700 })?;
        if !self.socket.starts_with(&self.path) {
            if account.dropped || self.socket.as_os_str().len() > LONGEST_SOCKET_FOLDER {
                return Err(Error::new(
                    ErrorKind::Folder,
                    format!("{} is too long for a socket", self.path.display()),
                    "choose a shorter state folder",
                ));
            }
            let _ = fs::remove_dir_all(&self.socket);
        }
        make(&self.socket, 0o700)?;
        give(&self.socket, account)
    }

    /// Removes it with all that is in it.
    pub(super) fn remove(&self) -> io::Result<()> {
        if !self.socket.starts_with(&self.path) {
            let _ = fs::remove_dir_all(&self.socket);
        }
        let removed = match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        };
        if let Some(parent) = self.path.parent().filter(|_| !self.tmpfs) {
            // Only when nobody else has a cluster in it.
            let _ = fs::remove_dir(parent);
        }
        removed
    }
}

/// Makes `path` the property of the server's user.
pub(super) fn give(path: &Path, account: &Account) -> Result<(), Error> {
    if !account.dropped {
        return Ok(());
    }
    nix::unistd::chown(path, Some(Uid::from_raw(account.uid)), Some(Gid::from_raw(account.gid)))
        .map_err(|errno| Error::io("give away", path, errno.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Environment;
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn place(root: &Path) -> Place {
        let (runtime, state) = (root.join("r"), root.join("s"));
        Place { runtime, state, owner: "tester".to_owned(), env: Environment::default() }
    }

    #[test]
    fn a_folder_that_others_could_have_prepared_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let elsewhere = root.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        let folder = Folder::at(&Root { path: root.path().to_owned(), tmpfs: false }, &place(root.path()));
        assert!(!folder.exists().unwrap());

        folder.create(&Account::own()).unwrap();
        assert!(folder.exists().unwrap());
        assert!(folder.create(&Account::own()).is_err(), "made exclusively");

        fs::set_permissions(&folder.path, Permissions::from_mode(0o777)).unwrap();
        assert_eq!(folder.exists().unwrap_err().kind(), ErrorKind::Folder);

        folder.remove().unwrap();
        fs::set_permissions(&elsewhere, Permissions::from_mode(0o700)).unwrap();
        symlink(&elsewhere, &folder.path).unwrap();
        assert_eq!(folder.exists().unwrap_err().kind(), ErrorKind::Folder, "a link is not followed");
        assert!(folder.create(&Account::own()).is_err());
    }

    #[test]
    fn a_long_path_moves_the_socket_to_the_short_one() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("d".repeat(100));
        let folder = Folder::at(&Root { path: deep, tmpfs: false }, &place(Path::new("/run/x")));
        assert_eq!(folder.socket(), Path::new("/run/x/r/s-tester"));
    }
}
