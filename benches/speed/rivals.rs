//! What people use instead, on the server that migd uses.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Result;
use crate::chain::Set;
use crate::sandbox::{Sandbox, run};

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

    /// One connection that runs the whole chain on a database that is already there.
    pub(crate) fn one_session(&self, sandbox: &Sandbox, set: &Set) -> Result<Duration> {
        let script = sandbox.scratch("all.sql");
        fs::write(&script, set.scripts().concat())?;
        self.fresh(sandbox)?;
        let mut psql = self.psql(sandbox, OWNER, "speed");
        let started = Instant::now();
        run(psql.arg("-f").arg(&script))?;
        let took = started.elapsed();
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

    /// `sqlx database reset`: none where it is not installed.
    pub(crate) fn sqlx(&self, sandbox: &Sandbox) -> Result<Option<Duration>> {
        let Some(sqlx) = installed("sqlx") else { return Ok(None) };
        let socket = self.socket.to_string_lossy().replace('/', "%2F");
        let url = format!("postgres://{ADMIN}@localhost/speed?host={socket}");
        let mut reset = sandbox.command(&sqlx);
        reset.args(["database", "reset", "-y", "--source", "migrations", "--database-url", &url]);
        let started = Instant::now();
        run(&mut reset)?;
        let took = started.elapsed();
        self.admin(sandbox, "DROP DATABASE IF EXISTS speed WITH (FORCE)")?;
        Ok(Some(took))
    }
}

/// A linter's run on the new migration: none where it is not installed. What it finds is its own business.
pub(crate) fn linter(sandbox: &Sandbox, name: &str, set: &Set) -> Result<Option<Duration>> {
    let Some(program) = installed(name) else { return Ok(None) };
    let (_, text) = set.new_migration(0)?.into_iter().next().ok_or("a new migration has no file")?;
    let path = sandbox.scratch("new.sql");
    fs::write(&path, text)?;
    let mut command = sandbox.command(&program);
    if name == "eugene" {
        command.arg("lint");
    }
    let started = Instant::now();
    command.arg(&path).output()?;
    Ok(Some(started.elapsed()))
}

/// The program in the user's path.
fn installed(name: &str) -> Option<PathBuf> {
    let output = Command::new("sh").args(["-c", "command -v \"$0\"", name]).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    path.is_absolute().then_some(path)
}
