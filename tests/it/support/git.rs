//! Repositories made and changed by the real git, in a folder of their own.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use migd::repo::{Location, Repo};

/// A folder with repositories in it, and a git that sees no configuration but theirs.
pub struct Sandbox {
    dir: tempfile::TempDir,
}

impl Sandbox {
    /// Without a repository.
    pub fn empty() -> Sandbox {
        Sandbox { dir: tempfile::tempdir().unwrap() }
    }

    /// With a repository in `repo`, and one commit there.
    pub fn new() -> Sandbox {
        Sandbox::with(&[])
    }

    /// With further arguments for `git init`.
    pub fn with(arguments: &[&str]) -> Sandbox {
        let sandbox = Sandbox::unborn(arguments);
        sandbox.write("migrations/1.sql", "one").write("migrations/2.sql", "two").write("src/a", "a");
        sandbox.git(&["add", "."]);
        sandbox.git(&["commit", "-qm", "first"]);
        sandbox
    }

    /// With a repository in `repo` that has no commit.
    pub fn unborn(arguments: &[&str]) -> Sandbox {
        let sandbox = Sandbox::empty();
        sandbox.git_in("", &[&["init", "-q", "-b", "main", "repo"], arguments].concat());
        sandbox
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    /// The repository's work tree.
    pub fn top(&self) -> PathBuf {
        self.path("repo")
    }

    pub fn write(&self, name: &str, text: &str) -> &Sandbox {
        let path = self.top().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.top().join(name)).unwrap()
    }

    /// git, hermetic, in a folder of the sandbox.
    pub fn command(&self, folder: &str) -> Command {
        let mut command = Command::new("git");
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_CONFIG_PARAMETERS", "MIGD"] {
            command.env_remove(name);
        }
        command.current_dir(self.path(folder)).envs(Self::settings());
        command.env("HOME", self.dir.path()).env("XDG_CONFIG_HOME", self.dir.path()).stdin(Stdio::null());
        command
    }

    fn settings() -> [(&'static str, &'static str); 6] {
        [
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_AUTHOR_NAME", "A"),
            ("GIT_AUTHOR_EMAIL", "a@example.com"),
            ("GIT_COMMITTER_NAME", "A"),
            ("GIT_COMMITTER_EMAIL", "a@example.com"),
        ]
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        self.git_in("repo", arguments)
    }

    pub fn git_in(&self, folder: &str, arguments: &[&str]) -> String {
        let output = self.command(folder).args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// git, which may fail.
    pub fn try_git(&self, arguments: &[&str]) -> Output {
        self.command("repo").args(arguments).output().unwrap()
    }

    pub fn location(&self, folder: &str) -> Location {
        let set = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Location { cwd: self.path(folder), git_env: Self::settings().into_iter().map(set).collect() }
    }

    pub fn location_with(&self, folder: &str, env: &[(&str, &str)]) -> Location {
        let mut location = self.location(folder);
        location.git_env.extend(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        location
    }

    pub fn open(&self) -> Repo {
        Repo::open(&self.location("repo")).unwrap()
    }

    /// Both ways of reading, with what to call them.
    pub fn both(&self, location: &Location) -> [(&'static str, Repo); 2] {
        [("libgit2", Repo::open(location).unwrap()), ("git", Repo::through_program(location).unwrap())]
    }

    /// Runs `command` (a `git commit`) and calls `during` while its pre-commit hook is waiting.
    pub fn commit(&self, mut command: Command, input: &str, during: impl FnOnce(Location)) {
        let release = self.path("release");
        assert!(Command::new("mkfifo").arg(&release).status().unwrap().success());
        // Where this very command finds its hooks.
        let mut asked = self.command("");
        asked.current_dir(command.get_current_dir().unwrap());
        for (name, value) in command.get_envs().filter_map(|(name, value)| Some((name, value?))) {
            asked.env(name, value);
        }
        let options = command.get_args().take_while(|argument| *argument != "commit").map(ToOwned::to_owned);
        let output = asked.args(options).args(["rev-parse", "--path-format=absolute", "--git-path", "hooks"]).output();
        let hooks = PathBuf::from(String::from_utf8(output.unwrap().stdout).unwrap().trim_end());
        std::fs::create_dir_all(&hooks).unwrap();
        let script = format!(
            "#!/bin/sh\nenv | sed -n 's/^GIT_/ENV GIT_/p' >&2\necho \"CWD $PWD\" >&2\necho READY >&2\nread go < '{}'\n",
            release.display()
        );
        std::fs::write(hooks.join("pre-commit"), script).unwrap();
        make_executable(&hooks.join("pre-commit"));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let mut location = Location::default();
        let mut said = String::new();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        loop {
            let line = lines.next().unwrap_or_else(|| panic!("the hook did not run: {said}")).unwrap();
            if line == "READY" {
                break;
            } else if let Some(path) = line.strip_prefix("CWD ") {
                location.cwd = path.into();
            } else if let Some((name, value)) = line.strip_prefix("ENV ").and_then(|line| line.split_once('=')) {
                location.git_env.insert(name.to_owned(), value.to_owned());
            }
            said.push_str(&line);
            said.push('\n');
        }
        during(location);
        std::fs::write(&release, "go\n").unwrap();
        let rest: Vec<String> = lines.map(Result::unwrap).collect();
        assert!(child.wait().unwrap().success(), "{said}{}", rest.join("\n"));
        std::fs::remove_file(release).unwrap();
        std::fs::remove_file(hooks.join("pre-commit")).unwrap();
    }
}

pub fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
