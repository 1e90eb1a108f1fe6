//! One process at a time has an owner's engine. The lock goes with the process, however it ends.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind::NotFound;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::{Error, ErrorKind, Place};

/// Held as long as the engine lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Takes the lock, or says who has it.
    pub(super) fn take(place: &Place) -> Result<Lock, Error> {
        match fs::symlink_metadata(&place.runtime) {
            Err(error) if error.kind() == NotFound => {
                fs::DirBuilder::new().recursive(true).mode(0o700).create(&place.runtime)
            }
            other => other.map(drop),
        }
        .map_err(|e| Error::io("use", &place.runtime, e))?;
        let path = place.runtime.join(format!("engine-{}.lock", place.owner));
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
            .open(&path)
            .map_err(|e| Error::io("open", &path, e))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(Lock { _file: file }),
            Err((_, Errno::EWOULDBLOCK)) => Err(Error::new(
                ErrorKind::Busy,
                format!("another process has the engine of {}", place.owner),
                "stop it with `migd stop`, or wait until it is done",
            )),
            Err((_, errno)) => Err(Error::io("lock", &path, errno.into())),
        }
    }
}
