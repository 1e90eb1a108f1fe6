//! A server's process: recognised again for certain after the daemon that started it is gone, and stopped for certain.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::pace;

/// One process, told from a later one of the same number by its start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    pid: i32,
    started: String,
}

impl Process {
    /// The process with this number, if there is one that is not a zombie.
    pub(super) fn observe(pid: u32) -> Option<Process> {
        let pid = i32::try_from(pid).ok().filter(|&pid| pid > 1)?;
        Some(Process { pid, started: started(pid)? })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    /// Whether it still runs.
    pub(super) fn alive(&self) -> bool {
        // The cheap question first: most of the time the answer that counts is "gone".
        kill(Pid::from_raw(self.pid), None) != Err(Errno::ESRCH) && started(self.pid).as_ref() == Some(&self.started)
    }

    /// Whether it is a server that works in `data`: a PostgreSQL server changes into its folder.
    pub(super) fn serves(&self, data: &Path) -> bool {
        works_in(self.pid, data) && self.alive()
    }

    /// Gives a child of this process a low priority. Whether that could be done.
    pub(super) fn lower(&self, child: i32) -> bool {
        let Some(pid) = rustix::process::Pid::from_raw(child).filter(|_| parent(child) == Some(self.pid)) else {
            return false;
        };
        // Each of a server's children has a session of its own.
        pace::lower_session(pid).is_ok()
    }

    /// Stops a server: in order, then at once, then by force. Returns whether it is gone.
    pub(super) async fn stop(&self) -> bool {
        for (signal, patience) in [(Signal::SIGINT, 4000), (Signal::SIGQUIT, 2000), (Signal::SIGKILL, 2000)] {
            if !self.alive() || kill(Pid::from_raw(self.pid), signal).is_err() {
                break;
            }
            let until = Instant::now() + Duration::from_millis(patience);
            while self.alive() && Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        !self.alive()
    }
}

/// The state of a process, its parent, and when it started.
#[cfg(target_os = "linux")]
fn stat(pid: i32) -> Option<(String, i32, String)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; what follows its last parenthesis is regular.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let (state, parent) = (fields.next()?, fields.next()?);
    Some((state.to_owned(), parent.parse().ok()?, fields.nth(17)?.to_owned()))
}

#[cfg(target_os = "linux")]
fn started(pid: i32) -> Option<String> {
    let (state, _, ticks) = stat(pid)?;
    (state != "Z" && state != "X").then_some(ticks)
}

#[cfg(target_os = "linux")]
fn parent(pid: i32) -> Option<i32> {
    Some(stat(pid)?.1)
}

#[cfg(target_os = "linux")]
fn works_in(pid: i32, data: &Path) -> bool {
    std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| data.canonicalize().is_ok_and(|data| cwd == data))
}

#[cfg(not(target_os = "linux"))]
fn ps(pid: i32, column: &str) -> Option<String> {
    let output = std::process::Command::new("ps").args(["-o", column, "-p", &pid.to_string()]).output().ok()?;
    let line = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}

#[cfg(not(target_os = "linux"))]
fn started(pid: i32) -> Option<String> {
    let state = ps(pid, "state=")?;
    if state.starts_with('Z') { None } else { ps(pid, "lstart=") }
}

#[cfg(not(target_os = "linux"))]
fn parent(pid: i32) -> Option<i32> {
    ps(pid, "ppid=")?.parse().ok()
}

#[cfg(not(target_os = "linux"))]
fn works_in(pid: i32, data: &Path) -> bool {
    ps(pid, "command=").is_some_and(|command| command.contains(&format!("-D {}", data.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_itself_and_no_other() {
        let me = Process::observe(std::process::id()).unwrap();
        assert!(me.alive());
        assert!(me.serves(&std::env::current_dir().unwrap()) || cfg!(not(target_os = "linux")));
        assert!(!me.serves(Path::new("/nonexistent")));
        let namesake = Process { started: "0".to_owned(), ..me };
        assert!(!namesake.alive(), "a later process of the same number is another one");
    }

    #[test]
    fn process_numbers_that_mean_groups_are_refused() {
        assert_eq!(Process::observe(0), None);
        assert_eq!(Process::observe(1), None);
        assert_eq!(Process::observe(u32::MAX), None);
    }
}
