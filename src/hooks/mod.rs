//! Git's hooks: migd's part in them put in, taken out and looked at.
//!
//! Whoever was there first stays: a shell hook gets a marked block after its first line, any other hook is moved aside
//! and called, and where a hook manager or a shared folder is in charge nothing is written at all, but it is said what
//! to add there. Where nobody else has a part in it, the hook that judges is a copy of the program itself, which the
//! kernel starts sooner than a shell.

mod error;
mod manager;
mod program;
mod script;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::repo::Repo;
use crate::wire::copy::Original;
use crate::wire::file;
pub use error::Error;
use manager::Managed;
use program::Program;
use script::{Company, KINDS, Kind, Split};

/// Managers that come later rename what they find.
const SUFFIXES: [&str; 3] = ["", ".legacy", ".old"];

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
    /// Whether the folder is git's own: nobody commits what lies in it.
    private: bool,
}

/// What the hook that judges is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A program where it can be one and needs nothing but the kernel, else a script.
    Auto,
    /// A shell script that calls `migd-hook`, or lines in one.
    Script,
    /// A copy of `migd-hook`.
    Program,
}

impl Form {
    /// The line by which the next installation knows that the form was asked for.
    fn chosen(self) -> &'static str {
        match self {
            Form::Auto => "",
            Form::Script => "# It stays a script, because that was asked for: `--form script`.\n",
            Form::Program => "# It stays a program, because that was asked for: `--form program`.\n",
        }
    }
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
    /// The program that the hook calls, or is a copy of.
    pub program: Option<PathBuf>,
    /// Whether it is a copy.
    pub is_copy: bool,
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
    /// A copy of `migd-hook`.
    Copy {
        program: Program,
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
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let private = real(&folder).starts_with(real(repo.common_dir()));
        Ok(Hooks { root, folder, usual, managed, private })
    }

    /// Makes `git commit` run `program`, the absolute path of `migd-hook`; without a `form`, in that which was asked for the
    /// last time. What was done, line by line.
    pub fn install(&self, program: &Path, form: Option<Form>) -> Result<Vec<String>, Error> {
        if !program.is_absolute() || program.as_os_str().as_bytes().contains(&b'\n') {
            return Err(Error::Program(program.to_owned()));
        }
        if let Some(managed) = &self.managed {
            return Ok(managed.advice());
        }
        fs::create_dir_all(&self.folder).map_err(|source| Error::Io { path: self.folder.clone(), source })?;
        let [judging, others @ ..] = KINDS;
        let mut done = vec![self.install_judging(judging, program, form)?];
        for kind in others {
            done.push(self.install_script(kind, program, false)?);
        }
        Ok(done)
    }

    fn install_judging(&self, kind: Kind, program: &Path, form: Option<Form>) -> Result<String, Error> {
        let path = self.folder.join(kind.name);
        let found = look(&path)?;
        let asked = form.or_else(|| found.chosen());
        let alone = found.is_alone() && !exists(&beside(&path, ".migd-kept"));
        let chosen = asked == Some(Form::Program);
        match asked {
            Some(Form::Script) => return self.install_script(kind, program, true),
            Some(Form::Program) if form.is_some() && !alone => return Err(Error::Company(path)),
            _ if !alone || !(self.private || chosen) => return self.install_script(kind, program, false),
            _ => {}
        }
        match self.install_program(&path, &found, program, chosen) {
            // What was not asked for just now is no failure.
            Err(Error::NoCopy(_) | Error::Dynamic(_)) if form != Some(Form::Program) => {
                self.install_script(kind, program, false)
            }
            done => done,
        }
    }

    fn install_program(&self, path: &Path, found: &Found, program: &Path, chosen: bool) -> Result<String, Error> {
        let name = self.shown(path);
        let wanted = Program::new(program, chosen)?;
        if matches!(found, Found::Copy { program, mode } if program.text == wanted.text && mode & 0o111 != 0) {
            return Ok(format!("{name} is up to date"));
        }
        wanted.put(path, || true)?;
        Ok(match found {
            Found::Nothing => format!("installed {name}"),
            Found::Copy { .. } => format!("renewed {name}"),
            _ => format!("{name} is now a program"),
        })
    }

    fn install_script(&self, kind: Kind, program: &Path, chosen: bool) -> Result<String, Error> {
        let path = self.folder.join(kind.name);
        let kept = beside(&path, ".migd-kept");
        let name = self.shown(&path);
        match look(&path)? {
            Found::Ours { text, mode } => {
                let split = split(&path, &text)?;
                let lines = !split.is_alone();
                // A file that was somebody's stays so, even when nothing but its first line is left.
                let (own, kept) = (split.is_own(), exists(&kept));
                let company = Company { own, lines: lines || !own, kept, chosen };
                let wanted = [split.before, &kind.block(program, company), split.after].concat();
                if wanted == text && mode & 0o111 != 0 {
                    return Ok(format!("{name} is up to date"));
                }
                write(&path, &wanted, if mode & 0o111 == 0 { mode | 0o755 } else { mode })?;
                Ok(format!("updated migd's block in {name}"))
            }
            Found::Shell { text, mode, first } => {
                let company = Company { own: false, lines: true, kept: exists(&kept), chosen };
                let (before, after) = text.split_at(first);
                write(&path, &[before, &kind.block(program, company), after].concat(), mode)?;
                Ok(format!("added a block to {name}; the rest of it runs as before"))
            }
            Found::Other => {
                if exists(&kept) {
                    return Err(Error::Taken(kept));
                }
                rename(&path, &kept)?;
                write(&path, &kind.file(program, true, chosen), 0o755)?;
                Ok(format!("installed {name}; what was there is kept as {} and runs afterwards", self.shown(&kept)))
            }
            found @ (Found::Nothing | Found::Copy { .. }) => {
                write(&path, &kind.file(program, exists(&kept), chosen), 0o755)?;
                Ok(match found {
                    Found::Nothing => format!("installed {name}"),
                    _ => format!("{name} is now a script"),
                })
            }
        }
    }

    /// Puts copies of `program` into the place of earlier ones of it that are hooks here, whatever they are called now.
    /// Nothing else is changed, and what cannot be renewed stays: it hands over to `program`.
    pub fn renew(&self, program: &Path) -> Result<(), Error> {
        for path in self.places().iter().filter(|path| path.to_string_lossy().contains(KINDS[0].name)) {
            let seen = program::identity(path);
            let Found::Copy { program: old, .. } = look(path)? else { continue };
            if old.copy.program() == program && old.copy.original() == Original::Replaced {
                Program::new(program, old.is_chosen())?.put(path, || program::identity(path) == seen)?;
            }
        }
        Ok(())
    }

    /// Where hooks of migd's may be.
    fn places(&self) -> Vec<PathBuf> {
        let mut folders = vec![&self.usual];
        if self.folder != self.usual && !self.managed.as_ref().is_some_and(Managed::is_shared) {
            folders.push(&self.folder);
        }
        let names = |kind: Kind| SUFFIXES.map(|suffix| format!("{}{suffix}", kind.name));
        folders.iter().flat_map(|folder| KINDS.into_iter().flat_map(names).map(|name| folder.join(name))).collect()
    }

    /// Takes everything out that [`Hooks::install`] put in. What was done, line by line.
    pub fn uninstall(&self) -> Result<Vec<String>, Error> {
        let mut done = Vec::new();
        for path in self.places() {
            done.extend(self.uninstall_one(&path)?);
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
        let (name, kept) = (self.shown(path), beside(path, ".migd-kept"));
        match look(path)? {
            Found::Ours { text, mode } => {
                let split = split(path, &text)?;
                if !(split.is_own() && split.is_alone()) {
                    write(path, &split.rest(), mode)?;
                    let more = if exists(&kept) {
                        format!("; it has lines of its own, so what was kept stays in {}", self.shown(&kept))
                    } else {
                        String::new()
                    };
                    return Ok(Some(format!("took migd's block out of {name}{more}")));
                }
            }
            Found::Copy { .. } => {}
            _ => return Ok(None),
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
            is_copy: false,
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
        let (mode, hides, program) = match look(&path)? {
            Found::Ours { text, mode } => {
                let split = split(&path, &text)?;
                (mode, split.hides(), split.program())
            }
            Found::Copy { program: Program { copy, .. }, mode } => {
                state.is_copy = true;
                if copy.original() == Original::Replaced {
                    let program = copy.program().display();
                    // A commit would have renewed it, had it been able to.
                    let help = match rustix::fs::access(&self.folder, rustix::fs::Access::WRITE_OK) {
                        Ok(()) => again.clone(),
                        Err(error) => {
                            let error = Error::Io { path: self.folder.clone(), source: error.into() };
                            format!("{}, then {again}", error.help())
                        }
                    };
                    problem(format!("{name} is a copy of an earlier {program}, and starts that one"), help);
                }
                (mode, false, Some(copy.program().to_owned()))
            }
            _ => {
                problem("`git commit` does not run migd".to_owned(), again);
                return Ok(state);
            }
        };
        if mode & 0o111 == 0 {
            problem(format!("{name} is not executable, so git does not run it"), again.clone());
        } else {
            state.installed = true;
        }
        if hides {
            problem(format!("{name} ends with migd's block, and the lines after it never run"), again.clone());
        }
        if let Some(program) = program {
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

impl Found {
    /// Whether nobody but migd has a part in the hook.
    fn is_alone(&self) -> bool {
        match self {
            Found::Nothing | Found::Copy { .. } => true,
            Found::Ours { text, .. } => {
                matches!(Split::of(text), Ok(Some(split)) if split.is_own() && split.is_alone())
            }
            Found::Shell { .. } | Found::Other => false,
        }
    }

    /// The form that was asked for.
    fn chosen(&self) -> Option<Form> {
        match self {
            Found::Copy { program, .. } => program.is_chosen().then_some(Form::Program),
            Found::Ours { text, .. } => {
                matches!(Split::of(text), Ok(Some(split)) if split.is_chosen()).then_some(Form::Script)
            }
            Found::Nothing | Found::Shell { .. } | Found::Other => None,
        }
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
    if let Some(program) = Program::of(&text) {
        return Ok(Found::Copy { program, mode });
    }
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
    file::replace(path, text, mode).map_err(|source| Error::Io { path: path.to_owned(), source })
}
