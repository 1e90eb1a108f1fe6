//! Through the git program: slower, and right for every repository that git itself can read.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Blob, Entry, Error, Index, Location, Place};
use crate::wire::{self, env::meant};

/// The flag of an entry made by `git add --intent-to-add`.
const INTENT_TO_ADD: u32 = 1 << 29;
/// How long one command may take.
const PATIENCE: Duration = Duration::from_secs(10);

const TOO_LATE: &str = "git did not answer in time";

/// Variables that speak about the command that the client ran, and would change what the commands here mean.
const NOT_OURS: [&str; 5] =
    ["GIT_PREFIX", "GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS"];

#[derive(Clone)]
pub(super) struct Program {
    cwd: PathBuf,
    env: Vec<(String, String)>,
    /// `git cat-file --batch`, kept between reads.
    reader: Arc<Mutex<Option<Reader>>>,
}

struct Reader {
    child: Child,
    input: ChildStdin,
    /// A pair of sockets and no pipe, because waiting for these can have a bound: git may ask another machine for what it lacks.
    output: std::io::BufReader<UnixStream>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    pub(super) fn open(location: &Location) -> Result<(Program, Place), Error> {
        let env = location.git_env.iter().filter(|(name, _)| name.starts_with("GIT_"));
        let env: Vec<(String, String)> = env.map(|(name, value)| (name.clone(), value.clone())).collect();
        let program = Program { cwd: location.cwd.clone(), env, reader: Arc::default() };
        let asked = ["rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir", "--is-bare-repository"];
        let answer = program.run(&asked).map_err(|error| match error {
            Error::Unreadable(said) if said.contains("not a git repository") => {
                Error::NotARepository(location.cwd.clone())
            }
            Error::Unreadable(said) if said.contains("dubious ownership") => {
                // The exception is made for the folder that git names, which may be above this one.
                let named = said.split_once("repository at '").and_then(|(_, rest)| rest.split_once('\''));
                Error::Owner(named.map_or_else(|| location.cwd.clone(), |(path, _)| PathBuf::from(path)))
            }
            other => other,
        })?;
        let path = |name: &str| Ok(line(program.run(&["rev-parse", "--path-format=absolute", name])?));
        let lines: Vec<&[u8]> = answer.split_inclusive(|byte| *byte == b'\n').collect();
        let (git_dir, common_dir, bare) = match lines.as_slice() {
            [git_dir, common_dir, bare] => (line(git_dir.to_vec()), line(common_dir.to_vec()), *bare == b"true\n"),
            // A folder's name that goes over two lines.
            _ => (path("--git-dir")?, path("--git-common-dir")?, answer.ends_with(b"\ntrue\n")),
        };
        let root = if bare { None } else { Some(path("--show-toplevel")?) };
        let index = location.git_env.get("GIT_INDEX_FILE").filter(|path| !path.is_empty());
        let index = index.map_or_else(
            || git_dir.join("index"),
            |path| super::base_of(&location.cwd, root.as_deref()).join(meant(path)),
        );
        let place =
            Place { cwd: location.cwd.clone(), env: location.git_env.clone(), git_dir, common_dir, root, index };
        Ok((program, place))
    }

    pub(super) fn at(place: &Place) -> Program {
        let env = place.env.iter().filter(|(name, _)| name.starts_with("GIT_"));
        let env = env.map(|(name, value)| (name.clone(), value.clone())).collect();
        Program { cwd: place.cwd.clone(), env, reader: Arc::default() }
    }

    pub(super) fn setting(&self, key: &str) -> Result<Option<String>, Error> {
        match self.run(&["config", "--path", "--get", key]) {
            Ok(value) => {
                let value = text(value);
                Ok(Some(value.strip_suffix('\n').unwrap_or(&value).to_owned()))
            }
            // Git has nothing to say about a key that is not set.
            Err(Error::Unreadable(said)) if said.is_empty() => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn staged(&self, prefixes: &[String]) -> Result<Index, Error> {
        let listed = text(self.list("--stage", prefixes)?);
        let mut found = Index::default();
        for record in listed.split_terminator('\0') {
            let Some((meta, path)) = record.split_once('\t') else { continue };
            let mut meta = meta.split(' ');
            let (Some(mode), Some(id), Some(stage)) = (meta.next(), meta.next(), meta.next()) else { continue };
            match (stage, mode) {
                ("0", "160000") => {}
                ("0", _) => {
                    let (path, id) = (path.to_owned(), id.to_owned());
                    found.entries.push(Entry { path, id, is_link: mode == LINK });
                }
                _ => found.conflicted.push(path.to_owned()),
            }
        }
        found.conflicted.dedup();
        // An intent to add looks like an empty file here; only the debug listing tells them apart.
        let empty = self.blob_id(&[])?;
        if found.entries.iter().any(|entry| entry.id == empty) {
            let intents = intents(&text(self.list("--debug", prefixes)?));
            found.entries.retain(|entry| entry.id != empty || !intents.contains(&entry.path));
        }
        Ok(found)
    }

    /// Lists the index, records ended by NUL.
    fn list(&self, how: &str, prefixes: &[String]) -> Result<Vec<u8>, Error> {
        let mut arguments = ["ls-files", how, "-z", "--full-name", "--"].map(str::to_owned).to_vec();
        arguments.extend(prefixes.iter().map(|prefix| pathspec(prefix)));
        if prefixes.is_empty() { Ok(Vec::new()) } else { self.run(&arguments) }
    }

    pub(super) fn tree(&self, rev: &str, prefixes: &[String]) -> Result<Vec<Entry>, Error> {
        if prefixes.is_empty() {
            return Ok(Vec::new());
        }
        let mut arguments = ["ls-tree", "-r", "-z", "--full-tree", rev, "--"].map(str::to_owned).to_vec();
        if !prefixes.iter().any(String::is_empty) {
            arguments.extend(prefixes.iter().cloned());
        }
        let listed = text(self.run(&arguments)?);
        let entries = listed.split_terminator('\0').filter_map(|record| {
            let (meta, path) = record.split_once('\t')?;
            let mut meta = meta.split(' ');
            let (mode, kind, id) = (meta.next()?, meta.next()?, meta.next()?);
            let entry = || Entry { path: path.to_owned(), id: id.to_owned(), is_link: mode == LINK };
            (kind == "blob").then(entry)
        });
        Ok(entries.collect())
    }

    pub(super) fn commit(&self, rev: &str) -> Result<Option<String>, Error> {
        match self.run(&["rev-parse", "--quiet", "--verify", "--end-of-options", &format!("{rev}^{{commit}}")]) {
            Ok(id) => Ok(Some(text(id).trim().to_owned())),
            // A branch without commits is no fault; a commit that is gone is.
            Err(error @ Error::Unreadable(_))
                if rev == "HEAD" && self.run(&["rev-parse", "--verify", "HEAD"]).is_ok() =>
            {
                Err(error)
            }
            Err(Error::Unreadable(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn merge_base(&self, one: &str, two: &str) -> Result<Option<String>, Error> {
        match self.run(&["merge-base", one, two]) {
            Ok(id) => Ok(Some(text(id).trim().to_owned())),
            Err(Error::Unreadable(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn read(&self, id: &str, max: u64) -> Result<Blob, Error> {
        let mut held = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reader = match held.take() {
            Some(reader) => reader,
            None => self.start_reader()?,
        };
        let blob = reader.read(id, max).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => Error::Unreadable(TOO_LATE.to_owned()),
            _ => Error::Unreadable(format!("git cat-file: {error}")),
        })?;
        if blob.bytes.is_some() {
            // After an object that was not read to its end, the process is of no more use.
            *held = Some(reader);
        }
        Ok(blob)
    }

    fn start_reader(&self) -> Result<Reader, Error> {
        let (output, theirs) = UnixStream::pair().map_err(Error::NoProgram)?;
        output.set_read_timeout(Some(PATIENCE)).map_err(Error::NoProgram)?;
        let mut child = self
            .command(&["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::null())
            .spawn()
            .map_err(Error::NoProgram)?;
        let Some(input) = child.stdin.take() else {
            return Err(Error::Unreadable("git cat-file has no pipe".to_owned()));
        };
        Ok(Reader { child, input, output: std::io::BufReader::new(output) })
    }

    pub(super) fn blob_id(&self, bytes: &[u8]) -> Result<String, Error> {
        let id = self.feed(&["hash-object", "--stdin"], bytes)?;
        Ok(text(id).trim().to_owned())
    }

    fn run<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Result<Vec<u8>, Error> {
        self.feed(arguments, &[])
    }

    /// Runs one command to its end, within bounds.
    fn feed<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S], input: &[u8]) -> Result<Vec<u8>, Error> {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Error::NoProgram)?;
        let deadline = Instant::now() + PATIENCE;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (out, err) = std::thread::scope(|scope| {
            scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
            let out = scope.spawn(move || drain(stdout));
            let err = scope.spawn(move || drain(stderr));
            // The pipes end when the process does; a process that does not is killed.
            while !matches!(child.try_wait(), Ok(Some(_))) {
                if Instant::now() > deadline {
                    let _ = child.kill();
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            (out.join().unwrap_or_default(), err.join().unwrap_or_default())
        });
        match child.wait() {
            Ok(status) if status.success() => Ok(out),
            _ if Instant::now() > deadline => Err(Error::Unreadable(TOO_LATE.to_owned())),
            _ => {
                let said = text(err);
                Err(Error::Unreadable(said.trim().trim_start_matches("fatal: ").to_owned()))
            }
        }
    }

    fn command<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new("git");
        for name in wire::env::sent().into_keys().filter(|name| name.starts_with("GIT_")) {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, meant(value))));
        for name in NOT_OURS {
            command.env_remove(name);
        }
        // Nothing is written, nobody is asked, and what is said can be understood.
        command.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
        command.current_dir(&self.cwd).args(arguments);
        command
    }
}

impl Reader {
    fn read(&mut self, id: &str, max: u64) -> std::io::Result<Blob> {
        use std::io::BufRead;
        writeln!(self.input, "{id}")?;
        self.input.flush()?;
        let mut header = String::new();
        self.output.read_line(&mut header)?;
        let size = header.trim_end().rsplit(' ').next().and_then(|size| size.parse::<u64>().ok());
        let size = size.ok_or_else(|| std::io::Error::other(header.trim_end().to_owned()))?;
        if size > max {
            return Ok(Blob { size, bytes: None });
        }
        let mut bytes = vec![0; size as usize];
        self.output.read_exact(&mut bytes)?;
        self.output.read_exact(&mut [0])?;
        Ok(Blob { size, bytes: Some(bytes.into()) })
    }
}

/// The mode of a symbolic link.
const LINK: &str = "120000";

/// A path that means itself, from the top of the work tree.
fn pathspec(path: &str) -> String {
    if path.is_empty() { ":(top)".to_owned() } else { format!(":(top,literal){path}") }
}

/// The paths that are marked as intents to add in `git ls-files --debug -z`: a path, then five lines about it.
fn intents(listed: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = listed;
    while let Some((path, about)) = rest.split_once('\0') {
        let end = about.match_indices('\n').nth(4).map_or(about.len(), |(at, _)| at + 1);
        let flags = about[..end].split_once("flags: ").map(|(_, flags)| flags.trim_end());
        let flags = flags.and_then(|flags| u32::from_str_radix(flags, 16).ok());
        if flags.is_some_and(|flags| flags & INTENT_TO_ADD != 0) {
            found.insert(path.to_owned());
        }
        rest = &about[end..];
    }
    found
}

fn drain(pipe: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = pipe.read_to_end(&mut bytes);
    }
    bytes
}

/// A path that git prints.
fn line(mut bytes: Vec<u8>) -> PathBuf {
    bytes.pop_if(|last| *last == b'\n');
    OsString::from_vec(bytes).into()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}
