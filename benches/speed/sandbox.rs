//! A repository, a home and a daemon of the benchmark's own.

use std::cell::Cell;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
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
    /// How many new migrations were staged: no content comes twice, or its verdict would be there already.
    staged: Cell<usize>,
}

/// What a repository asks of the daemon.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// Clones kept ready.
    pub(crate) clones: usize,
    /// The search for rows.
    pub(crate) rows: bool,
    /// Judging what is saved before it is committed.
    pub(crate) watch: bool,
}

impl Wanted {
    /// Clones ready, and neither rows nor anything in the background.
    pub(crate) const PLAIN: Wanted = Wanted { clones: 2, rows: false, watch: false };
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
        let this = Sandbox { root, migd: migd.to_owned(), staged: Cell::new(0) };
        for folder in ["home", "run", "state", "repo", "none", "noop"] {
            fs::create_dir(this.root.path().join(folder))?;
        }
        std::os::unix::fs::symlink("/bin/true", this.root.path().join("noop/pre-commit"))?;
        for (path, bytes) in &set.files {
            this.write(&format!("migrations/{path}"), bytes)?;
        }
        this.write("readme", b"0\n")?;
        this.git(&["init", "--quiet"])?;
        this.configure(&set.layout, Wanted::PLAIN)?;
        run(this.command(&this.migd).args(["hook", "install"]))?;
        Ok(this)
    }

    /// Writes and commits the configuration.
    pub(crate) fn configure(&self, layout: &str, wanted: Wanted) -> Result<()> {
        let Wanted { clones, rows, watch } = wanted;
        // A check asked for by hand searches longer than a commit's: here it is the commit's that counts.
        let text = format!(
            "[rows]\nenabled = {rows}\npatience = \"250ms\"\n\n[watch]\nenabled = {watch}\n\n\
             [daemon]\nclones = {clones}\n\n[[migrations]]\npath = \"migrations\"\nlayout = \"{layout}\"\n"
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
    pub(crate) fn stage_new(&self, set: &Set) -> Result<()> {
        self.save_new(set)?;
        self.git(&["add", "migrations"])
    }

    /// Writes a new migration to the work tree, as an editor would: another file takes the place of the last one.
    pub(crate) fn save_new(&self, set: &Set) -> Result<()> {
        self.staged.set(self.staged.get() + 1);
        for (path, text) in set.new_migration(self.staged.get())? {
            let path = format!("migrations/{path}");
            self.write("swap", text.as_bytes())?;
            if let Some(folder) = self.repo().join(&path).parent() {
                fs::create_dir_all(folder)?;
            }
            fs::rename(self.repo().join("swap"), self.repo().join(path))?;
        }
        Ok(())
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

/// A `migd watch` that is being read.
pub(crate) struct Watch {
    child: Child,
    events: Receiver<serde_json::Value>,
}

impl Sandbox {
    /// Starts `migd watch`.
    pub(crate) fn watch(&self) -> Result<Watch> {
        let mut command = self.command(&self.migd);
        command.args(["watch", "--format", "jsonl"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let out = child.stdout.take().ok_or("migd watch has no output")?;
        let (tell, events) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(|line| line.ok()) {
                let Ok(event) = serde_json::from_str(&line) else { continue };
                if tell.send(event).is_err() {
                    return;
                }
            }
        });
        Ok(Watch { child, events })
    }
}

impl Watch {
    /// Passes over what came so far.
    pub(crate) fn drain(&self) {
        self.events.try_iter().for_each(drop);
    }

    /// Waits until this is being done with a migration.
    pub(crate) fn step(&self, step: &str) -> Result<()> {
        loop {
            let event = self.events.recv_timeout(PATIENCE)?;
            if event["event"] == "step" && event["step"] == step {
                return Ok(());
            }
        }
    }

    /// Whether there was a verdict on the work tree among what came so far.
    pub(crate) fn came_to_a_verdict(&self) -> bool {
        self.events.try_iter().any(|event| event["event"] == "verdict" && event["tree"] == "worktree")
    }

    /// Waits for the next verdict on the work tree.
    pub(crate) fn verdict(&self) -> Result<()> {
        loop {
            let event = self.events.recv_timeout(PATIENCE)?;
            if event["event"] == "verdict" && event["tree"] == "worktree" {
                return Ok(());
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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
