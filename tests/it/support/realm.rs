//! A user of migd that nobody else is: a home, a runtime and a state folder of its own, and with them a daemon of its
//! own. Whatever runs in it is ended with it, however the test ends.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// A private environment.
pub struct Realm {
    folder: PathBuf,
    programs: PathBuf,
    keeper: Child,
}

/// How long a program may run before the test fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a program did.
pub struct Ran {
    /// Its exit status; none when a signal ended it.
    pub status: Option<i32>,
    /// What it wrote to standard output.
    pub out: String,
    /// What it wrote to standard error.
    pub err: String,
    /// How long it ran.
    pub took: Duration,
    command: String,
}

impl Realm {
    /// A new one, with nothing running. Its first server is copied from a cluster that another realm has initialised.
    pub fn new() -> Arc<Realm> {
        let realm = Realm::make();
        fs::remove_dir(realm.state().join("seeds")).unwrap();
        std::os::unix::fs::symlink(Realm::shared().state().join("seeds"), realm.state().join("seeds")).unwrap();
        Arc::new(realm)
    }

    /// A new one that has never initialised a cluster.
    pub fn pristine() -> Arc<Realm> {
        Arc::new(Realm::make())
    }

    /// The one that tests share whose migrations harm nobody: its daemon is warm after the first of them.
    pub fn shared() -> Arc<Realm> {
        static SHARED: OnceLock<Arc<Realm>> = OnceLock::new();
        Arc::clone(SHARED.get_or_init(Realm::pristine))
    }

    /// The one that tests share whose migrations try to do harm: what they break must not be what others wait for.
    pub fn rough() -> Arc<Realm> {
        static ROUGH: OnceLock<Arc<Realm>> = OnceLock::new();
        Arc::clone(ROUGH.get_or_init(Realm::new))
    }

    fn make() -> Realm {
        // Short, because a socket's path must be.
        let folder = tempfile::Builder::new().prefix("mg").tempdir_in("/tmp").unwrap().keep();
        for part in ["home/.config/migd", "run", "state/seeds", "repos"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        let git = "[user]\nname = Test\nemail = test@example.org\n[init]\ndefaultBranch = main\n[gc]\nauto = 0\n";
        fs::write(folder.join("home/.gitconfig"), git).unwrap();
        let programs = Path::new(env!("CARGO_BIN_EXE_migd")).parent().unwrap().to_owned();
        let keeper = keeper(&folder);
        let realm = Realm { folder, programs, keeper };
        // What a test saves would be judged twice, by the commit that it is about and by the background.
        realm.configure("[watch]\nenabled = false\n");
        realm
    }

    /// The user's own configuration.
    fn configure(&self, more: &str) {
        // Several tests share two cores and one daemon: a judgement may have to wait for its turn.
        let config = format!("[engine]\nkind = \"local\"\n[hook]\nbudget = \"60s\"\n{more}");
        fs::write(self.folder.join("home/.config/migd/config.toml"), config).unwrap();
    }

    /// Has what is saved judged while it is edited, as it is by default.
    pub fn watching(self: Arc<Realm>) -> Arc<Realm> {
        self.configure("");
        self
    }

    /// The folder of everything.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the daemon's socket and lock are.
    pub fn runtime(&self) -> PathBuf {
        self.folder.join("run")
    }

    /// Where the daemon's log is.
    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// `migd`.
    pub fn migd(&self) -> PathBuf {
        self.programs.join("migd")
    }

    /// `git` or one of migd's programs, in this environment and in no other.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        let home = self.folder.join("home");
        command.env("GIT_CONFIG_GLOBAL", home.join(".gitconfig")).env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", home);
        command.env("MIGD_RUNTIME_DIR", self.runtime()).env("MIGD_STATE_DIR", self.state());
        command.env("GIT_EDITOR", "true").env("LC_ALL", "C.UTF-8").current_dir(&self.folder);
        command
    }

    /// The processes that live in this environment, and the servers that work in its folders.
    pub fn processes(&self) -> Vec<u32> {
        let mark = format!("MIGD_RUNTIME_DIR={}", self.runtime().display());
        let folders = self.data_folders();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            if pid == self.keeper.id() || !is_running(pid) {
                continue;
            }
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            let own = environment.split(|byte| *byte == 0).any(|part| part == mark.as_bytes());
            let cwd = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
            if own || folders.iter().any(|folder| cwd.starts_with(folder)) {
                found.push(pid);
            }
        }
        found
    }

    /// The folders of this environment's servers.
    pub fn data_folders(&self) -> Vec<PathBuf> {
        let prefix = format!("migd-{}", owner(&self.runtime()));
        let roots = [PathBuf::from("/dev/shm"), PathBuf::from("/var/lib/migd"), self.state().join("clusters")];
        let entries = roots.iter().filter_map(|root| fs::read_dir(root).ok()).flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| file_name(path).starts_with(&prefix)).collect()
    }

    /// Nothing runs, and no server's data is left.
    pub fn is_empty(&self) -> bool {
        self.processes().is_empty() && self.data_folders().is_empty()
    }

    /// What the daemon's log says.
    pub fn log(&self) -> String {
        fs::read_to_string(self.state().join("daemon.log")).unwrap_or_default()
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// How the daemon of this runtime folder names its servers.
fn owner(runtime: &Path) -> String {
    let mut owner = blake3::Hasher::new();
    owner.update(runtime.as_os_str().as_encoded_bytes());
    owner.update(&nix::unistd::getuid().as_raw().to_le_bytes());
    owner.finalize().to_hex()[..8].to_owned()
}

/// Waits until this process lets go of it, by dropping the realm or by ending, and then leaves nothing behind.
fn keeper(folder: &Path) -> Child {
    let script = r#"
        read -r _
        MIGD_RUNTIME_DIR="$1/run" MIGD_STATE_DIR="$1/state" HOME="$1/home" timeout 20 "$2" stop
        for process in /proc/[0-9]*; do
            tr '\0' '\n' <"$process/environ" 2>/dev/null | grep -qxF "MIGD_RUNTIME_DIR=$1/run" || continue
            [ "${process#/proc/}" = "$$" ] || kill -KILL "${process#/proc/}"
        done
        for data in /dev/shm/migd-"$3"* /var/lib/migd/migd-"$3"*; do
            [ -f "$data/data/postmaster.pid" ] && kill -QUIT "$(head -n 1 "$data/data/postmaster.pid")" && sleep 0.5
            rm -rf "$data"
        done
        left=$(docker ps --all --quiet --filter "name=^/migd-$3") && [ -n "$left" ] && docker rm --force --volumes $left
        rm -rf "$1""#;
    let mut command = Command::new("sh");
    command.args(["-c", script, "keeper"]).arg(folder).arg(env!("CARGO_BIN_EXE_migd"));
    command.arg(owner(&folder.join("run"))).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    // Out of the reach of a Ctrl-C, which would end it before it has done its work.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Whether there is such a process, and it is no zombie.
pub fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Waits until `what` holds, and fails the test when it does not in good time.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < until, "not in 30 s: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Runs `command` to its end, with `input` on its standard input.
#[track_caller]
pub fn run(mut command: Command, input: &str) -> Ran {
    use std::io::Write;
    let started = Instant::now();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let mut stdin = child.stdin.take().unwrap();
    let (out, err, status) = std::thread::scope(|scope| {
        // A program that does not want its input is no failure.
        scope.spawn(move || drop(stdin.write_all(input.as_bytes())));
        let out = scope.spawn(move || text(&mut stdout));
        let err = scope.spawn(move || text(&mut stderr));
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if started.elapsed() > PATIENCE => {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    break None;
                }
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        (out.join().unwrap(), err.join().unwrap(), status)
    });
    let ran = Ran {
        status: status.and_then(|status| status.code()),
        out,
        err,
        took: started.elapsed(),
        command: format!("{command:?}").rsplit("HOME=").next().unwrap_or_default().to_owned(),
    };
    assert!(status.is_some(), "it did not end: {ran}");
    ran
}

fn text(pipe: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Ran {
    /// It ended well.
    #[track_caller]
    pub fn ok(self) -> Ran {
        self.status(0)
    }

    /// It ended with this status.
    #[track_caller]
    pub fn status(self, status: i32) -> Ran {
        assert!(self.status == Some(status), "status {status} was expected: {self}");
        self
    }

    /// It ended otherwise than well.
    #[track_caller]
    pub fn failed(self) -> Ran {
        assert!(self.status.is_some_and(|status| status != 0), "a failure was expected: {self}");
        self
    }

    /// It wrote `text`, to standard output or standard error.
    #[track_caller]
    pub fn says(self, text: &str) -> Ran {
        assert!(self.out.contains(text) || self.err.contains(text), "`{text}` was expected: {self}");
        self
    }

    /// It did not write `text` anywhere.
    #[track_caller]
    pub fn does_not_say(self, text: &str) -> Ran {
        assert!(!self.out.contains(text) && !self.err.contains(text), "`{text}` was not expected: {self}");
        self
    }

    /// Its standard output is one JSON object.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        match serde_json::from_str(&self.out) {
            Ok(value) => value,
            Err(error) => panic!("{error}: {self}"),
        }
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Ran { status, out, err, took, command } = self;
        write!(f, "{command}\nstatus {status:?} after {took:?}\n--- out\n{out}--- err\n{err}---")
    }
}
