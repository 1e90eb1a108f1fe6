//! Which user runs the server. PostgreSQL refuses root, so root hands it to an unprivileged user.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Gid, Uid, User};

use super::{Error, ErrorKind};

/// The user that runs the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// It is not the user that migd runs as.
    pub(super) dropped: bool,
    /// The name of migd's own user, as the server looks it up for a connection.
    pub(super) client: String,
}

impl Account {
    /// The current user; for root `postgres`, else `nobody`.
    pub(super) fn choose() -> Result<Account, Error> {
        let uid = Uid::effective();
        let name = |uid: Uid| User::from_uid(uid).ok().flatten();
        let Some(me) = name(uid) else {
            return Err(Error::new(
                ErrorKind::Start,
                format!("user {uid} has no entry in the user database, and PostgreSQL needs one"),
                "run as a user with a name, or set engine.kind = \"container\"",
            ));
        };
        if !uid.is_root() {
            return Ok(Account { uid: uid.as_raw(), gid: me.gid.as_raw(), dropped: false, client: me.name });
        }
        ["postgres", "_postgres", "nobody"]
            .iter()
            .filter_map(|name| User::from_name(name).ok().flatten())
            .find(|user| !user.uid.is_root())
            .map(|user| Account { uid: user.uid.as_raw(), gid: user.gid.as_raw(), dropped: true, client: me.name })
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Start,
                    "PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody",
                    "run migd as an ordinary user, or add one: useradd --system postgres",
                )
            })
    }

    /// For files that stay migd's own.
    pub(super) fn own() -> Account {
        let (uid, gid) = (Uid::effective().as_raw(), Gid::effective().as_raw());
        Account { uid, gid, dropped: false, client: String::new() }
    }

    /// Whether the user may pass through every folder down to and including `path`.
    pub(super) fn reaches(&self, path: &Path) -> bool {
        path.ancestors().all(|folder| folder.metadata().is_ok_and(|metadata| self.passes(&metadata)))
    }

    fn passes(&self, metadata: &Metadata) -> bool {
        let bit = if metadata.uid() == self.uid {
            0o100
        } else if metadata.gid() == self.gid {
            0o010
        } else {
            0o001
        };
        metadata.mode() & bit != 0
    }
}
