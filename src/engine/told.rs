//! What installed programs said when they were asked, believed while they are the same files: a server's program takes ten
//! milliseconds to say its version, and every start would ask all of them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::Place;
use crate::wire::endpoint::private_dir;
use crate::wire::file;

/// How many answers are kept; beyond that all are forgotten.
const MAX: usize = 64;

/// The answers.
pub(super) struct Told {
    path: PathBuf,
    answers: BTreeMap<String, Answer>,
    changed: bool,
}

#[derive(Serialize, Deserialize)]
struct Answer {
    /// What an upgrade changes.
    mark: String,
    said: String,
}

impl Told {
    /// What was told before.
    pub(super) fn before(place: &Place) -> Told {
        let path = place.state.join("programs.json");
        let answers = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Told { path, answers, changed: false }
    }

    /// What `program` prints, if it does so soon and ends well.
    pub(super) async fn ask(&mut self, program: &Path, argument: &str) -> Option<String> {
        let key = format!("{} {argument}", program.display());
        let mark = mark(program)?;
        if let Some(answer) = self.answers.get(&key).filter(|answer| answer.mark == mark) {
            return Some(answer.said.clone());
        }
        let said = output(program, argument).await?;
        if self.answers.len() >= MAX {
            self.answers.clear();
        }
        self.answers.insert(key, Answer { mark, said: said.clone() });
        self.changed = true;
        Some(said)
    }

    /// Keeps what is new. Without it the next start takes longer, and nothing else.
    pub(super) fn keep(self) {
        if self.changed
            && let Err(error) = self.write()
        {
            tracing::debug!(%error, "what programs say was not kept");
        }
    }

    fn write(&self) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        private_dir(folder)?;
        file::replace(&self.path, &serde_json::to_vec(&self.answers)?, file::PRIVATE)
    }
}

/// Tells a program, whatever links lead to it, from what takes its place; none when it is not there.
pub fn mark(program: &Path) -> Option<String> {
    let meta = fs::metadata(program).ok()?;
    let changed = (meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec());
    Some(format!("{}-{}-{}-{changed:?}", meta.dev(), meta.ino(), meta.len()))
}

/// When a file, or what is in a folder, was last put there; by the system's clock, whatever date it was given.
pub fn changed(path: &Path) -> Option<SystemTime> {
    let meta = fs::metadata(path).ok()?;
    let since_epoch = Duration::new(u64::try_from(meta.ctime()).ok()?, u32::try_from(meta.ctime_nsec()).ok()?);
    SystemTime::UNIX_EPOCH.checked_add(since_epoch)
}

async fn output(program: &Path, argument: &str) -> Option<String> {
    let mut command = Command::new(program);
    command.arg(argument).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(5), command.output()).await.ok()?.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Environment;
    use std::os::unix::fs::PermissionsExt;

    fn place(root: &Path) -> Place {
        let (runtime, state) = (root.join("r"), root.join("s"));
        Place { runtime, state, owner: "tester".to_owned(), env: Environment::default() }
    }

    /// A program that counts how often it is asked.
    fn program(root: &Path, says: &str) -> PathBuf {
        let (draft, path) = (root.join("draft"), root.join("program"));
        let text = format!("#!/bin/sh\necho x >> {}/asked\necho {says} $1\n", root.display());
        fs::write(&draft, text).unwrap();
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&draft, &path).unwrap();
        path
    }

    async fn ask(place: &Place, program: &Path) -> Option<String> {
        let mut told = Told::before(place);
        let said = told.ask(program, "--version").await;
        told.keep();
        said
    }

    #[tokio::test]
    async fn a_program_is_asked_once_and_again_when_another_takes_its_place() {
        let root = tempfile::tempdir().unwrap();
        let place = place(root.path());
        let asked = || fs::read_to_string(root.path().join("asked")).unwrap().lines().count();
        let path = program(root.path(), "17");
        for _ in 0..2 {
            assert_eq!(ask(&place, &path).await.as_deref(), Some("17 --version\n"));
        }
        assert_eq!(asked(), 1);
        program(root.path(), "18");
        assert_eq!(ask(&place, &path).await.as_deref(), Some("18 --version\n"));
        assert_eq!(asked(), 2);
        fs::remove_file(&path).unwrap();
        assert_eq!(ask(&place, &path).await, None, "what is gone says nothing");
    }

    #[tokio::test]
    async fn a_torn_file_is_as_good_as_none() {
        let root = tempfile::tempdir().unwrap();
        let place = place(root.path());
        let path = program(root.path(), "17");
        fs::create_dir(&place.state).unwrap();
        fs::write(place.state.join("programs.json"), "{\"a").unwrap();
        assert_eq!(ask(&place, &path).await.as_deref(), Some("17 --version\n"));
    }
}
