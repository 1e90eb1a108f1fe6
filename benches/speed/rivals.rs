//! What people use instead, on the server that migd uses.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::Result;
use crate::chain::Set;
use crate::sandbox::{Sandbox, run};
use crate::stats::Samples;

/// The administrator's and the migrations' roles on a server of migd's.
const ADMIN: &str = "migd_admin";
const OWNER: &str = "postgres";

/// The daemon's own server, reached past the daemon.
pub(crate) struct Server {
    socket: PathBuf,
    psql: PathBuf,
}

impl Server {
    /// The server whose first process is `pid`, when there is a `psql`.
    pub(crate) fn of(pid: u32, binaries: &Path) -> Result<Option<Server>> {
        let arguments = fs::read(format!("/proc/{pid}/cmdline"))?;
        let arguments = String::from_utf8_lossy(&arguments).into_owned();
        let socket = arguments.split('\0').find_map(|argument| argument.strip_prefix("unix_socket_directories="));
        let socket = PathBuf::from(socket.ok_or("the server's socket is not known")?);
        let beside = binaries.join("psql");
        let psql = if beside.exists() { Some(beside) } else { installed("psql") };
        Ok(psql.map(|psql| Server { socket, psql }))
    }

    fn psql(&self, sandbox: &Sandbox, role: &str, database: &str) -> Command {
        let mut command = sandbox.command(&self.psql);
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", role, "-d", database, "-h"]).arg(&self.socket);
        command
    }

    fn admin(&self, sandbox: &Sandbox, sql: &str) -> Result<()> {
        run(self.psql(sandbox, ADMIN, "postgres").args(["-c", sql])).map(drop)
    }

    fn fresh(&self, sandbox: &Sandbox) -> Result<()> {
        self.admin(sandbox, "DROP DATABASE IF EXISTS speed WITH (FORCE)")?;
        self.admin(sandbox, &format!("CREATE DATABASE speed OWNER {OWNER}"))
    }

    /// A database with the whole chain in it, and how long the one connection that ran it took.
    fn with_the_chain(&self, sandbox: &Sandbox, set: &Set) -> Result<Duration> {
        let script = sandbox.scratch("all.sql");
        fs::write(&script, set.scripts().concat())?;
        self.fresh(sandbox)?;
        let mut psql = self.psql(sandbox, OWNER, "speed");
        let started = Instant::now();
        run(psql.arg("-f").arg(&script))?;
        Ok(started.elapsed())
    }

    /// One connection that runs the whole chain on a database that is already there.
    pub(crate) fn one_session(&self, sandbox: &Sandbox, set: &Set) -> Result<Duration> {
        let took = self.with_the_chain(sandbox, set)?;
        self.admin(sandbox, "DROP DATABASE speed")?;
        Ok(took)
    }

    /// A fresh database and one `psql` for each file.
    pub(crate) fn per_file(&self, sandbox: &Sandbox, set: &Set) -> Result<Duration> {
        let scripts = set.scripts();
        let mut files = Vec::new();
        for (at, script) in scripts.iter().enumerate() {
            let path = sandbox.scratch(&format!("{at}.sql"));
            fs::write(&path, script)?;
            files.push(path);
        }
        let started = Instant::now();
        self.fresh(sandbox)?;
        for file in &files {
            run(self.psql(sandbox, OWNER, "speed").arg("-f").arg(file))?;
        }
        let took = started.elapsed();
        self.admin(sandbox, "DROP DATABASE speed")?;
        files.iter().try_for_each(fs::remove_file)?;
        Ok(took)
    }

    /// `sqlx database reset`.
    pub(crate) fn sqlx(&self, sandbox: &Sandbox, sqlx: &Tool) -> Result<Duration> {
        let socket = self.socket.to_string_lossy().replace('/', "%2F");
        let url = format!("postgres://{ADMIN}@localhost/speed?host={socket}");
        let mut reset = sandbox.command(&sqlx.program);
        reset.args(["database", "reset", "-y", "--source", "migrations", "--database-url", &url]);
        let started = Instant::now();
        run(&mut reset)?;
        let took = started.elapsed();
        self.admin(sandbox, "DROP DATABASE speed WITH (FORCE)")?;
        Ok(took)
    }

    /// `eugene trace` of the new migration, rolled back, in a database that has the chain: the server that it would start for
    /// itself, and run the chain on, is spared it.
    pub(crate) fn traces(&self, sandbox: &Sandbox, eugene: &Tool, set: &Set, rounds: usize) -> Result<Samples> {
        let path = new_file(sandbox)?;
        self.with_the_chain(sandbox, set)?;
        let mut samples = Samples::default();
        for _ in 0..rounds {
            let mut trace = sandbox.command(&eugene.program);
            // It asks for a password before it knows whether there is one.
            trace.env("PGPASS", "none").args(["trace", "--disable-temporary", "--accept-failures"]);
            trace.args(["--user", OWNER, "--database", "speed", "--host"]).arg(&self.socket).arg(&path);
            let started = Instant::now();
            let output = trace.output()?;
            let took = started.elapsed();
            eugene.succeeded(&output)?;
            samples.add(took);
        }
        self.admin(sandbox, "DROP DATABASE speed")?;
        Ok(samples)
    }
}

/// A tool of others that is installed.
pub(crate) struct Tool {
    name: &'static str,
    program: PathBuf,
    /// As it says it itself.
    pub(crate) version: String,
}

impl Tool {
    /// None where it is not installed.
    pub(crate) fn find(name: &'static str) -> Result<Option<Tool>> {
        let Some(program) = installed(name) else { return Ok(None) };
        let said = run(Command::new(&program).arg("--version"))?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let version = said.split_whitespace().last().unwrap_or_default().to_owned();
        Ok(Some(Tool { name, program, version }))
    }

    /// `squawk` on the new migration. What it finds is its own business, but it must have read the file.
    pub(crate) fn squawk(&self, sandbox: &Sandbox) -> Result<Duration> {
        let path = new_file(sandbox)?;
        let mut squawk = sandbox.command(&self.program);
        let started = Instant::now();
        let output = squawk.arg(&path).output()?;
        let took = started.elapsed();
        // It ends with 1 for what it finds as for what it cannot read.
        let read = String::from_utf8_lossy(&output.stdout).contains("in 1 file");
        if read { Ok(took) } else { Err(self.failed(&output)) }
    }

    /// `eugene lint` on the new migration.
    pub(crate) fn eugene_lint(&self, sandbox: &Sandbox) -> Result<Duration> {
        let path = new_file(sandbox)?;
        let mut eugene = sandbox.command(&self.program);
        eugene.args(["lint", "--accept-failures"]).arg(&path);
        let started = Instant::now();
        let output = eugene.output()?;
        let took = started.elapsed();
        self.succeeded(&output)?;
        Ok(took)
    }

    /// Whether it came to a good end; what it found is accepted.
    fn succeeded(&self, output: &Output) -> Result<()> {
        if output.status.success() { Ok(()) } else { Err(self.failed(output)) }
    }

    fn failed(&self, output: &Output) -> Box<dyn Error> {
        let said = [&output.stderr, &output.stdout].map(|said| String::from_utf8_lossy(said).into_owned());
        let line = said.iter().flat_map(|said| said.lines()).find(|line| !line.trim().is_empty());
        format!("{} {}: {}: {}", self.name, self.version, output.status, line.unwrap_or("no word")).into()
    }
}

/// The new migration's up in a file beside the repository: these tools know no layout's marks between up and down.
fn new_file(sandbox: &Sandbox) -> Result<PathBuf> {
    let path = sandbox.scratch("new.sql");
    fs::write(&path, Set::new_up(0))?;
    Ok(path)
}

/// The program in the user's path.
fn installed(name: &str) -> Option<PathBuf> {
    let output = Command::new("sh").args(["-c", "command -v \"$0\"", name]).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    path.is_absolute().then_some(path)
}
