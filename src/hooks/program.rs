//! The hook as a program: a copy of `migd-hook` with a few lines at its end, which starts sooner than a shell.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Error, Form, script};
use crate::wire::Copied;

/// What stands before the lines that the copy itself reads.
const ABOUT: &str = "\
# Judges the staged migrations. `migd hook uninstall` takes this file away.
# migd made it: a copy of its program migd-hook, which starts sooner than a script. To add commands of your own, turn it
# into a script: `migd hook install --form script`.
";
/// How programs begin that may have something behind their end: Linux passes over it.
const ELF: &[u8] = b"\x7fELF";
/// How long a copy may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(5);

/// A hook that is a copy.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) copy: Copied,
    pub(super) text: Vec<u8>,
}

impl Program {
    /// The hook whose text this is; none when it is no copy.
    pub(super) fn of(text: &[u8]) -> Option<Program> {
        Some(Program { copy: Copied::ending(text)?, text: text.to_owned() })
    }

    /// A copy of `program`, as it is now.
    pub(super) fn new(program: &Path, chosen: bool) -> Result<Program, Error> {
        let failed = |source| Error::Io { path: program.to_owned(), source };
        let mut file = File::open(program).map_err(failed)?;
        let copy = Copied::of(program, &file.metadata().map_err(failed)?);
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        if !text.starts_with(ELF) {
            return Err(Error::NoCopy(program.to_owned()));
        }
        for part in ["\n", script::START, ABOUT, if chosen { Form::Program.chosen() } else { "" }] {
            text.extend_from_slice(part.as_bytes());
        }
        text.extend_from_slice(&copy.lines());
        Ok(Program { copy, text })
    }

    /// Whether it was asked for by name.
    pub(super) fn is_chosen(&self) -> bool {
        let tail = &self.text[self.text.len().saturating_sub(8192)..];
        script::find(tail, Form::Program.chosen().as_bytes()).is_some()
    }

    /// Puts it at `path`, when it works there and, unless it was chosen, needs nothing but the kernel. `still` is asked
    /// right before.
    pub(super) fn put(&self, path: &Path, still: impl FnOnce() -> bool) -> Result<bool, Error> {
        let failed = |source| Error::Io { path: path.to_owned(), source };
        let folder = path.parent().unwrap_or(Path::new("."));
        // Without the name that the file would have had, which says nothing to anybody.
        let in_folder = |error: io::Error| Error::Io { path: folder.to_owned(), source: error.kind().into() };
        let mut file = tempfile::Builder::new().prefix(".migd-").tempfile_in(folder).map_err(in_folder)?;
        file.write_all(&self.text).map_err(failed)?;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o755)).map_err(failed)?;
        // Nobody may have it open for writing when it is run.
        let file = file.into_temp_path();
        match self.is_static(&file) {
            Some(true) => {}
            Some(false) if self.is_chosen() => {}
            Some(false) => return Err(Error::Dynamic(self.copy.program().to_owned())),
            None => return Err(Error::NoCopy(self.copy.program().to_owned())),
        }
        let put = still();
        if put {
            file.persist(path).map_err(|error| failed(error.error))?;
        }
        Ok(put)
    }

    /// Whether the copy at `path` says that it needs no library; none when it does not know that it is this copy, of a
    /// program of this version.
    fn is_static(&self, path: &Path) -> Option<bool> {
        let said = version(path).ok()?;
        let kind = said.strip_prefix(concat!("migd-hook ", env!("CARGO_PKG_VERSION"), " (").as_bytes())?;
        let program = self.copy.program().as_os_str().as_bytes();
        match kind.strip_suffix(&[b"), a copy of ", program, b"\n"].concat()[..])? {
            b"static" => Some(true),
            b"dynamic" => Some(false),
            _ => None,
        }
    }
}

/// What the program at `path` says of itself.
fn version(path: &Path) -> io::Result<Vec<u8>> {
    let started = Instant::now();
    let mut command = Command::new(path);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = loop {
        match command.spawn() {
            // Another thread's child has the file open until it is the program that it is to become.
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && started.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(1));
            }
            other => break other?,
        }
    };
    while child.try_wait()?.is_none() {
        if started.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    // A line fits into the pipe.
    let mut said = Vec::new();
    child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?.read_to_end(&mut said)?;
    Ok(said)
}

/// What tells a file from the one that is put in its place.
pub(super) fn identity(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let meta = path.symlink_metadata().ok()?;
    Some((meta.dev(), meta.ino(), meta.ctime(), meta.ctime_nsec()))
}
