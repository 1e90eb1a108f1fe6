//! Git's hooks: migd's part in them put in, taken out and looked at.
//!
//! Whoever was there first stays: a shell hook gets a marked block after its first line, any other hook is moved aside
//! and called, and where a hook manager or a shared folder is in charge nothing is written at all, but it is said what
//! to add there.

mod error;
mod manager;
mod script;

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::repo::Repo;
pub use error::Error;
use manager::Managed;
use script::{Company, KINDS, Kind, Split};

/// The hooks of one repository.
#[derive(Debug)]
pub struct Hooks {
    /// The top of the work tree.
    root: PathBuf,
    /// Where git looks for hooks.
    folder: PathBuf,
    /// Where it looks unless it is told otherwise.
    usual: PathBuf,
    managed: Option<Managed>,
}

/// How the hooks are.
#[derive(Debug)]
pub struct State {
    /// Where git looks for hooks.
    pub folder: PathBuf,
    /// Who is in charge of them, when it is not the user.
    pub manager: Option<String>,
    /// Whether `git commit` runs migd.
    pub installed: bool,
    /// The program that the hook calls.
    pub program: Option<PathBuf>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// What is wrong with the hooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What it is.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// What lies at a hook's path.
enum Found {
    Nothing,
    /// A shell script that git runs, and where its first line ends.
    Shell {
        text: Vec<u8>,
        mode: u32,
        first: usize,
    },
    /// A script with migd's block.
    Ours {
        text: Vec<u8>,
        mode: u32,
    },
    /// Everything else.
    Other,
}

impl Hooks {
    /// The hooks that `git commit` runs in this repository.
    pub fn of(repo: &Repo) -> Result<Hooks, Error> {
        let root = repo.root().ok_or_else(|| Error::Bare(repo.git_dir().to_owned()))?.to_owned();
        let usual = repo.common_dir().join("hooks");
        let setting = repo.setting("core.hooksPath")?;
        // Git's rule: relative to where hooks run, which is the top of the work tree.
        let folder = setting.as_ref().map_or_else(|| usual.clone(), |path| root.join(path));
        let managed = manager::find(repo, &root, &folder, setting.as_deref())?;
        Ok(Hooks { root, folder, usual, managed })
    }

    /// Puts calls of `program`, the absolute path of `migd-hook`, into the hooks. What was done, line by line.
    pub fn install(&self, program: &Path) -> Result<Vec<String>, Error> {
        if !program.is_absolute() || program.as_os_str().as_bytes().contains(&b'\n') {
            return Err(Error::Program(program.to_owned()));
        }
        if let Some(managed) = &self.managed {
            return Ok(managed.advice());
        }
        fs::create_dir_all(&self.folder).map_err(|source| Error::Io { path: self.folder.clone(), source })?;
        KINDS.iter().map(|kind| self.install_one(*kind, program)).collect()
    }

    fn install_one(&self, kind: Kind, program: &Path) -> Result<String, Error> {
        let path = self.folder.join(kind.name);
        let kept = beside(&path, ".migd-kept");
        let name = self.shown(&path);
        match look(&path)? {
            Found::Ours { text, mode } => {
                let split = split(&path, &text)?;
                let lines = !split.is_alone();
                // A file that was somebody's stays so, even when nothing but its first line is left.
                let company = Company { own: split.is_own(), lines: lines || !split.is_own(), kept: exists(&kept) };
                let wanted = [split.before, &kind.block(program, company), split.after].concat();
                if wanted == text && mode & 0o111 != 0 {
                    return Ok(format!("{name} is up to date"));
                }
                write(&path, &wanted, if mode & 0o111 == 0 { mode | 0o755 } else { mode })?;
                Ok(format!("updated migd's block in {name}"))
            }
            Found::Shell { text, mode, first } => {
                let company = Company { own: false, lines: true, kept: exists(&kept) };
                let (before, after) = text.split_at(first);
                write(&path, &[before, &kind.block(program, company), after].concat(), mode)?;
                Ok(format!("added a block to {name}; the rest of it runs as before"))
            }
            Found::Other => {
                if exists(&kept) {
                    return Err(Error::Taken(kept));
                }
                rename(&path, &kept)?;
                write(&path, &kind.file(program, true), 0o755)?;
                Ok(format!("installed {name}; what was there is kept as {} and runs afterwards", self.shown(&kept)))
            }
            Found::Nothing => {
                write(&path, &kind.file(program, exists(&kept)), 0o755)?;
                Ok(format!("installed {name}"))
            }
        }
    }

    /// Takes everything out that [`Hooks::install`] put in. What was done, line by line.
    pub fn uninstall(&self) -> Result<Vec<String>, Error> {
        let mut done = Vec::new();
        let mut folders = vec![&self.usual];
        if self.folder != self.usual && !self.managed.as_ref().is_some_and(Managed::is_shared) {
            folders.push(&self.folder);
        }
        for folder in folders {
            for kind in KINDS {
                // Managers that come later rename what they find.
                for suffix in ["", ".legacy", ".old"] {
                    done.extend(self.uninstall_one(&beside(&folder.join(kind.name), suffix))?);
                }
            }
        }
        if let Some(managed) = &self.managed {
            done.extend(managed.farewell());
        }
        if done.is_empty() {
            done.push("migd's hooks are not installed here".to_owned());
        }
        Ok(done)
    }

    fn uninstall_one(&self, path: &Path) -> Result<Option<String>, Error> {
        let Found::Ours { text, mode } = look(path)? else { return Ok(None) };
        let split = split(path, &text)?;
        let (name, kept) = (self.shown(path), beside(path, ".migd-kept"));
        if !(split.is_own() && split.is_alone()) {
            write(path, &split.rest(), mode)?;
            let more = if exists(&kept) {
                format!("; it has lines of its own, so what was kept stays in {}", self.shown(&kept))
            } else {
                String::new()
            };
            return Ok(Some(format!("took migd's block out of {name}{more}")));
        }
        if exists(&kept) {
            rename(&kept, path)?;
            return Ok(Some(format!("{name} is again what it was")));
        }
        fs::remove_file(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
        Ok(Some(format!("deleted {name}")))
    }

    /// How the hooks are, for `migd doctor`.
    pub fn state(&self) -> Result<State, Error> {
        let mut state = State {
            folder: self.folder.clone(),
            manager: self.managed.as_ref().map(|managed| managed.name().to_owned()),
            installed: false,
            program: None,
            problems: Vec::new(),
        };
        let mut problem = |message: String, help: String| state.problems.push(Problem { message, help });
        if let Some(managed) = &self.managed {
            state.installed = managed.calls();
            if !managed.calls() {
                problem(format!("{} runs the hooks here, and does not run migd", managed.name()), managed.remedy());
            }
            return Ok(state);
        }
        let path = self.folder.join(KINDS[0].name);
        let name = self.shown(&path);
        let again = "`migd hook install`".to_owned();
        let Found::Ours { text, mode } = look(&path)? else {
            problem("`git commit` does not run migd".to_owned(), again);
            return Ok(state);
        };
        let split = split(&path, &text)?;
        if mode & 0o111 == 0 {
            problem(format!("{name} is not executable, so git does not run it"), again.clone());
        } else {
            state.installed = true;
        }
        if split.hides() {
            problem(format!("{name} ends with migd's block, and the lines after it never run"), again.clone());
        }
        if let Some(program) = split.program() {
            if !program.is_file() {
                problem(format!("{name} calls {}, which is gone", program.display()), again);
            }
            state.program = Some(program);
        }
        Ok(state)
    }

    /// The path as it is said: from the top of the work tree where it lies below it.
    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}

fn look(path: &Path) -> Result<Found, Error> {
    let failed = |source| Error::Io { path: path.to_owned(), source };
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(failed(error)),
    };
    if !meta.is_file() {
        return Ok(Found::Other);
    }
    let text = fs::read(path).map_err(failed)?;
    let mode = meta.permissions().mode() & 0o7777;
    if !matches!(Split::of(&text), Ok(None)) {
        return Ok(Found::Ours { text, mode });
    }
    // A hook that is not executable is switched off: git passes over it, and so does the call of what was kept.
    match script::shebang(&text) {
        Some(first) if mode & 0o111 != 0 => Ok(Found::Shell { text, mode, first }),
        _ => Ok(Found::Other),
    }
}

fn split<'a>(path: &Path, text: &'a [u8]) -> Result<Split<'a>, Error> {
    Split::of(text).ok().flatten().ok_or_else(|| Error::Unended(path.to_owned()))
}

/// Whether something is there, be it a link into the void.
fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(|source| Error::Io { path: from.to_owned(), source })
}

/// Puts a whole file in the place of what is there, at one stroke: a commit may be starting just now.
fn write(path: &Path, text: &[u8], mode: u32) -> Result<(), Error> {
    let failed = |source| Error::Io { path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".migd-").tempfile_in(folder).map_err(failed)?;
    file.write_all(text).map_err(failed)?;
    file.as_file().set_permissions(fs::Permissions::from_mode(mode)).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
