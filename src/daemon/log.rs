//! The daemon's log: one file and the one before it, each bounded.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;

use crate::wire::env;

/// When the file is put aside, in bytes.
const MAX_BYTES: u64 = 4 << 20;

/// Sends the process's log to `path`. Statements and their data are only logged at `debug` and below.
pub(super) fn start(path: &Path) -> io::Result<()> {
    let file = Rotating::open(path)?;
    let filter = env::var("MIGD_LOG").and_then(|filter| EnvFilter::try_new(filter).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new("warn,migd=info"));
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Mutex::new(file)).finish();
    tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)?;
    // What breaks off is caught where it happens, and would be known nowhere.
    std::panic::set_hook(Box::new(|broken| tracing::error!("{broken}")));
    Ok(())
}

/// While this lives, nothing goes to standard error: whoever started the daemon reads there why it ended at once, and closes it
/// when it is up.
pub(super) struct Quiet {
    before: Option<OwnedFd>,
}

impl Quiet {
    pub(super) fn begin() -> Quiet {
        let silence = || {
            let before = nix::unistd::dup(io::stderr()).ok()?;
            nix::unistd::dup2_stderr(OpenOptions::new().write(true).open("/dev/null").ok()?).ok()?;
            // For nobody whom the daemon starts: it would be open for as long as that runs.
            rustix::io::fcntl_setfd(&before, rustix::io::FdFlags::CLOEXEC).ok()?;
            Some(before)
        };
        Quiet { before: silence() }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            let _ = nix::unistd::dup2_stderr(before);
        }
    }
}

struct Rotating {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Rotating {
    fn open(path: &Path) -> io::Result<Rotating> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Rotating { path: path.to_owned(), file, bytes })
    }
}

impl Write for Rotating {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes > MAX_BYTES {
            fs::rename(&self.path, self.path.with_extension("log.1"))?;
            *self = Rotating::open(&self.path)?;
        }
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_is_put_aside_and_a_new_one_begun() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("daemon.log");
        let mut log = Rotating::open(&path).unwrap();
        log.write_all(&vec![b'a'; MAX_BYTES as usize + 1]).unwrap();
        log.write_all(b"new\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new\n");
        assert_eq!(fs::metadata(path.with_extension("log.1")).unwrap().len(), MAX_BYTES + 1);
    }

    #[test]
    fn however_much_is_logged_there_are_two_files_of_bounded_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("daemon.log");
        let line = vec![b'a'; 64 << 10];
        for _ in 0..5 {
            // A daemon that is started again goes on where the last one stopped.
            let mut log = Rotating::open(&path).unwrap();
            for _ in 0..50 {
                log.write_all(&line).unwrap();
            }
        }
        let files: Vec<u64> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).collect();
        assert_eq!(files.len(), 2);
        assert!(files.iter().all(|bytes| *bytes <= MAX_BYTES + line.len() as u64), "{files:?}");
    }
}
