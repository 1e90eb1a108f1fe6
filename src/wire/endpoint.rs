//! Where the daemon is found: its folders, its socket, its lock, its build.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::env;

/// Where the daemon of this user is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Sockets and locks; gone after a reboot. Owned by the user, mode 0700.
    pub runtime: PathBuf,
    /// Logs and what makes the next start quick.
    pub state: PathBuf,
}

impl Endpoint {
    /// This user's, from the environment. Creates nothing.
    pub fn of_user() -> Endpoint {
        let runtime = runtime_dir();
        let state = env::var_os("MIGD_STATE_DIR").map(PathBuf::from).unwrap_or_else(|| {
            match directories::ProjectDirs::from("", "", "migd") {
                Some(dirs) => dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir()).to_path_buf(),
                None => runtime.join("state"),
            }
        });
        Endpoint { runtime, state }
    }

    /// The daemon's socket.
    pub fn socket(&self) -> PathBuf {
        socket_in(&self.runtime)
    }

    /// The lock that makes the daemon the only one.
    pub fn lock(&self) -> PathBuf {
        self.runtime.join("daemon.lock")
    }

    /// The daemon's log.
    pub fn log(&self) -> PathBuf {
        self.state.join("daemon.log")
    }

    /// Makes the runtime folder, or makes sure that it is this user's alone.
    pub fn prepare(&self) -> io::Result<()> {
        private_dir(&self.runtime)
    }
}

/// The socket of this user's daemon: all that a client needs to know.
pub fn socket_of_user() -> PathBuf {
    socket_in(&runtime_dir())
}

fn socket_in(runtime: &Path) -> PathBuf {
    runtime.join("daemon.sock")
}

fn runtime_dir() -> PathBuf {
    let uid = rustix::process::getuid().as_raw();
    env::var_os("MIGD_RUNTIME_DIR").map(PathBuf::from).unwrap_or_else(|| {
        let session = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        // A cron job or a bare login has no XDG_RUNTIME_DIR; it must still find the same daemon.
        let session = session.or_else(|| {
            let usual = PathBuf::from(format!("/run/user/{uid}"));
            fs::metadata(&usual).is_ok_and(|meta| meta.uid() == uid).then_some(usual)
        });
        match session {
            Some(folder) => folder.join("migd"),
            None => PathBuf::from(format!("/tmp/migd-{uid}")),
        }
    })
}

/// Makes `path` a folder that only this user can enter; refuses one that somebody else planted.
pub fn private_dir(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).recursive(false).create(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent() {
                DirBuilder::new().mode(0o700).recursive(true).create(parent)?;
            }
            DirBuilder::new().mode(0o700).create(path)?;
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => return other,
    }
    let meta = owned(path)?;
    if meta.mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Makes sure that nobody but this user can have put the socket at `path` there. Not found where there is none.
pub fn own_socket(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let meta = owned(folder)?;
    // Somebody may have had the time to put one there before the folder was closed.
    let planted = meta.mode() & 0o022 != 0 || fs::symlink_metadata(path)?.uid() != meta.uid();
    if planted {
        let message = format!("{} may be somebody else's", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    Ok(())
}

/// What is known of a folder of this user's; a link to one is none.
fn owned(path: &Path) -> io::Result<fs::Metadata> {
    let meta = fs::symlink_metadata(path)?;
    if !meta.is_dir() || meta.uid() != rustix::process::getuid().as_raw() {
        let message = format!("{} is not a folder of this user", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    Ok(meta)
}

/// The build that a client expects of the daemon: that of the `migd` at `program`. Changes with every installation.
pub fn build_of(program: &Path) -> String {
    let version = env!("CARGO_PKG_VERSION");
    match fs::metadata(program) {
        Ok(meta) => format!("{version}-{}", stamp(&meta)),
        Err(_) => version.to_owned(),
    }
}

/// What tells a program from the one that is installed in its place: its length and its time.
pub(super) fn stamp(meta: &Metadata) -> String {
    let changed = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!("{:x}-{:x}", meta.len(), changed.map_or(0, |since| since.as_nanos()))
}

/// The `migd` that belongs to this process: itself, or the one beside `migd-hook`.
pub fn program() -> io::Result<PathBuf> {
    let this = std::env::current_exe()?;
    // Links are followed: an installation may be a link into a store.
    let this = this.canonicalize().unwrap_or(this);
    Ok(this.with_file_name("migd"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_socket_is_this_users_own_only_in_a_folder_that_is_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("daemon.sock");
        assert_eq!(own_socket(&socket).unwrap_err().kind(), io::ErrorKind::NotFound);
        let _listener = UnixListener::bind(&socket).unwrap();
        assert!(own_socket(&socket).is_ok());
        for open in [0o770, 0o707, 0o777] {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(open)).unwrap();
            assert_eq!(own_socket(&socket).unwrap_err().kind(), io::ErrorKind::PermissionDenied, "{open:o}");
        }
    }
}
