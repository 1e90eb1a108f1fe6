//! A repository, a home and a daemon of the benchmark's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use migd::daemon::status::Status;
use migd::verdict::Verdict;

use crate::Result;
use crate::chain::Set;

/// How long the server may take to make its clones ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// A repository with one set, whose hook is migd's, and a daemon that only it knows.
pub(crate) struct Sandbox {
    root: tempfile::TempDir,
    migd: PathBuf,
}

/// Which hooks a commit runs.
#[derive(Clone, Copy)]
pub(crate) enum Hooks {
    None,
    /// A program that does nothing.
    Noop,
    Migd,
}

impl Sandbox {
    pub(crate) fn new(migd: &Path, set: &Set) -> Result<Sandbox> {
        let root = tempfile::Builder::new().prefix("migd-speed-").tempdir()?;
        let this = Sandbox { root, migd: migd.to_owned() };
        for folder in ["home", "run", "state", "repo", "none", "noop"] {
            fs::create_dir(this.root.path().join(folder))?;
        }
        std::os::unix::fs::symlink("/bin/true", this.root.path().join("noop/pre-commit"))?;
        for (path, bytes) in &set.files {
            this.write(&format!("migrations/{path}"), bytes)?;
        }
        this.write("readme", b"0\n")?;
        this.git(&["init", "--quiet"])?;
        this.configure(&set.layout, 2, false)?;
        run(this.command(&this.migd).args(["hook", "install"]))?;
        Ok(this)
    }

    /// Writes and commits the configuration, with so many clones kept ready, and with or without the search for rows.
    pub(crate) fn configure(&self, layout: &str, clones: usize, rows: bool) -> Result<()> {
        let text = format!(
            "[rows]\nenabled = {rows}\n\n[daemon]\nclones = {clones}\n\n[[migrations]]\npath = \"migrations\"\nlayout = \"{layout}\"\n"
        );
        self.write("migd.toml", text.as_bytes())?;
        self.git(&["add", "."])?;
        self.git(&["commit", "--quiet", "--no-verify", "-m", "configure"])
    }

    pub(crate) fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let path = self.repo().join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(fs::write(path, bytes)?)
    }

    fn repo(&self) -> PathBuf {
        self.root.path().join("repo")
    }

    /// A program in the repository, seeing only this sandbox.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let at = |name: &str| self.root.path().join(name);
        let mut command = Command::new(program);
        command.current_dir(self.repo()).env("HOME", at("home")).env("XDG_CONFIG_HOME", at("home/.config"));
        command.env("MIGD_RUNTIME_DIR", at("run")).env("MIGD_STATE_DIR", at("state")).env("MIGD_ENGINE", "local");
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        for (name, value) in [("NAME", "speed"), ("EMAIL", "speed@example.org")] {
            command.env(format!("GIT_AUTHOR_{name}"), value).env(format!("GIT_COMMITTER_{name}"), value);
        }
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> Result<()> {
        run(self.command(Path::new("git")).args(arguments)).map(drop)
    }

    /// How long one commit of what is staged takes.
    pub(crate) fn commit(&self, hooks: Hooks) -> Result<Duration> {
        let mut git = self.command(Path::new("git"));
        match hooks {
            Hooks::None => git.arg("-c").arg(format!("core.hooksPath={}", self.root.path().join("none").display())),
            Hooks::Noop => git.arg("-c").arg(format!("core.hooksPath={}", self.root.path().join("noop").display())),
            Hooks::Migd => &mut git,
        };
        git.args(["commit", "--quiet", "-m", "measured"]);
        let started = Instant::now();
        run(&mut git)?;
        Ok(started.elapsed())
    }

    /// Takes the last commit back.
    pub(crate) fn undo(&self) -> Result<()> {
        self.git(&["reset", "--quiet", "--hard", "HEAD~1"])
    }

    /// Takes back what is staged.
    pub(crate) fn unstage(&self) -> Result<()> {
        self.git(&["reset", "--quiet", "--hard"])
    }

    /// Stages a new migration.
    pub(crate) fn stage_new(&self, set: &Set, number: usize) -> Result<()> {
        for (path, text) in set.new_migration(number)? {
            self.write(&format!("migrations/{path}"), text.as_bytes())?;
        }
        self.git(&["add", "migrations"])
    }

    /// Stages a change of an early migration.
    pub(crate) fn stage_edit(&self, set: &Set, number: usize) -> Result<()> {
        let (path, bytes) = set.edited(number)?;
        self.write(&format!("migrations/{path}"), &bytes)?;
        self.git(&["add", "migrations"])
    }

    pub(crate) fn migd(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self.command(&self.migd).args(arguments).output()?)
    }

    /// What `migd check` says, and how long it took by the clock.
    pub(crate) fn check(&self, selection: &str) -> Result<(Verdict, Duration)> {
        let started = Instant::now();
        let output = self.migd(&["check", selection, "--format", "json"])?;
        let took = started.elapsed();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let verdict = serde_json::from_slice(&output.stdout).map_err(|error| format!("migd check: {error}: {said}"))?;
        Ok((verdict, took))
    }

    pub(crate) fn status(&self) -> Result<Status> {
        Ok(serde_json::from_slice(&self.migd(&["status", "--json"])?.stdout)?)
    }

    /// Waits until the daemon has made ready what it makes ahead.
    pub(crate) fn settle(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let (mut last, mut still) = (None, 0);
        while Instant::now() < deadline {
            let figures: Vec<_> = self.status()?.engines.iter().map(|engine| engine.pool).collect();
            still = if last.as_ref() == Some(&figures) { still + 1 } else { 0 };
            if still >= 6 {
                return Ok(());
            }
            last = Some(figures);
            std::thread::sleep(Duration::from_millis(20));
        }
        Err("the daemon does not come to rest".into())
    }

    pub(crate) fn stop(&self) -> Result<()> {
        self.migd(&["stop"]).map(drop)
    }

    /// Forgets what makes the next start quick.
    pub(crate) fn forget(&self) -> Result<()> {
        fs::remove_dir_all(self.root.path().join("state"))?;
        Ok(fs::create_dir(self.root.path().join("state"))?)
    }

    /// A file beside the repository.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // A daemon that cannot be stopped ends when it is idle.
        let _ = self.stop();
    }
}

/// Runs to a good end.
pub(crate) fn run(command: &mut Command) -> Result<Output> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{:?} failed: {said}", command.get_program()).into());
    }
    Ok(output)
}
