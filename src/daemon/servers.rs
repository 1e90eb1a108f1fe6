//! Which server each engine configuration had last, remembered on disk: a kept verdict is then found although no server
//! runs. What is remembered holds as long as it can be known to: a local server while its program is the same, any other
//! for a day.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::engine;
use crate::judge::Server;
use crate::wire::endpoint::private_dir;
use crate::wire::file;

/// How long a server is believed that cannot be looked at without asking it: an image may be pulled anew, a server
/// upgraded.
const BELIEVED: Duration = Duration::from_secs(24 * 3600);
/// How many configurations are remembered.
const MAX: usize = 64;

#[derive(Serialize, Deserialize)]
struct Known {
    server: Server,
    /// What tells this installation from the next.
    mark: Option<String>,
    /// In seconds since 1970.
    seen: u64,
}

/// Remembers that `engine`, a configuration, had this server just now.
pub(super) fn remember(state: &Path, engine: &str, server: &Server) {
    let known = Known { server: server.clone(), mark: mark(server), seen: now() };
    if let Err(error) = write(state, engine, &known) {
        tracing::debug!(%error, "the server's version was not remembered");
    }
}

/// The server that `engine` had last, if it will have the same again.
pub(super) fn recall(state: &Path, engine: &str) -> Option<Server> {
    let known: Known = serde_json::from_slice(&fs::read(path(state, engine)).ok()?).ok()?;
    let age = now().checked_sub(known.seen)?;
    let same = match &known.mark {
        Some(then) => mark(&known.server).as_ref() == Some(then),
        None => age < BELIEVED.as_secs(),
    };
    same.then_some(known.server)
}

/// What an upgrade of a local server changes.
fn mark(server: &Server) -> Option<String> {
    if server.kind != "local" {
        return None;
    }
    engine::mark(&Path::new(&server.source).join("postgres"))
}

fn write(state: &Path, engine: &str, known: &Known) -> io::Result<()> {
    let path = path(state, engine);
    let folder = path.parent().unwrap_or(state);
    private_dir(folder)?;
    if fs::read_dir(folder)?.count() >= MAX {
        for entry in fs::read_dir(folder)?.flatten() {
            fs::remove_file(entry.path())?;
        }
    }
    file::replace(&path, &serde_json::to_vec(known)?, file::PRIVATE)
}

/// A configuration may have a password in it: its hash is its name.
fn path(state: &Path, engine: &str) -> PathBuf {
    state.join("servers").join(&blake3::hash(engine.as_bytes()).to_hex()[..32])
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(kind: &str, source: &Path) -> Server {
        let source = source.display().to_string();
        Server { kind: kind.into(), version: "17.5".into(), source, superuser: false, shared: false }
    }

    #[test]
    fn a_local_server_is_believed_until_its_program_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (state, bin) = (folder.path().join("state"), folder.path().join("bin"));
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(&state).unwrap();
        fs::write(bin.join("postgres"), "17.5").unwrap();
        let server = server("local", &bin);
        remember(&state, "local", &server);
        assert_eq!(recall(&state, "local"), Some(server));
        assert_eq!(recall(&state, "another"), None);
        fs::write(bin.join("postgres"), "17.6, larger").unwrap();
        assert_eq!(recall(&state, "local"), None);
    }

    #[test]
    fn another_server_is_believed_for_a_day() {
        let state = tempfile::tempdir().unwrap();
        let server = server("container", Path::new("postgres:17"));
        for (age, believed) in [(3600, true), (25 * 3600, false)] {
            let known = Known { server: server.clone(), mark: None, seen: now() - age };
            write(state.path(), "container", &known).unwrap();
            assert_eq!(recall(state.path(), "container").is_some(), believed, "after {age} s");
        }
        let tomorrow = Known { server, mark: None, seen: now() + 3600 };
        write(state.path(), "container", &tomorrow).unwrap();
        assert_eq!(recall(state.path(), "container"), None, "the clock was set back");
    }
}
