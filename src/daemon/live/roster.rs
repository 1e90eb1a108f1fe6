//! Which repositories are watched, remembered while no daemon runs: the next one takes them up again.
//!
//! One file in the state folder, written aside a moment after it has changed. What is in it is believed only as far as it can
//! be seen: a repository is taken up where its folders are still there, and read anew as at every change.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::home::{Home, lasting};
use crate::config::Set;
use crate::wire::file;

/// How many repositories are taken up.
const MAX: usize = 16;
/// How long a repository is remembered that nobody works in.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);
/// How large the file may be.
const MAX_BYTES: u64 = 1 << 20;
/// Variables that may have a password in them: where one is set, the repository waits for its next commit.
const SECRET: &[&str] = &["MIGD_ENGINE_URL"];

/// A repository that was watched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) home: Home,
    pub(super) env: BTreeMap<String, String>,
    /// The sets that were found where none is configured.
    pub(super) found: Option<Vec<Set>>,
    /// When somebody last worked in it, in seconds since 1970.
    pub(super) used: u64,
}

/// Now, as in an entry.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The repositories to take up again, the one that was used last first.
pub(super) fn load(state: &Path) -> Vec<Entry> {
    let path = path(state);
    let small = fs::metadata(&path).is_ok_and(|meta| meta.len() <= MAX_BYTES);
    let text = if small { fs::read(&path).unwrap_or_default() } else { Vec::new() };
    let mut entries: Vec<Entry> = serde_json::from_slice(&text).unwrap_or_default();
    let since = now().saturating_sub(REMEMBERED.as_secs());
    entries.retain(|entry| entry.used >= since && entry.home.root.is_dir() && entry.home.git_dir.is_dir());
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.used));
    entries.dedup_by(|one, other| one.home.root == other.home.root);
    entries.truncate(MAX);
    entries.into_iter().map(|entry| Entry { env: lasting(&entry.env), ..entry }).collect()
}

/// Writes down what is watched.
pub(super) fn store(state: &Path, mut entries: Vec<Entry>) -> io::Result<()> {
    entries.retain(|entry| !SECRET.iter().any(|name| entry.env.contains_key(*name)));
    entries.retain(|entry| [&entry.home.root, &entry.home.git_dir].iter().all(|path| path.to_str().is_some()));
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.used));
    entries.truncate(MAX);
    file::replace(&path(state), &serde_json::to_vec(&entries)?, file::PRIVATE)
}

fn path(state: &Path) -> PathBuf {
    state.join("watched.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A state folder and a folder for repositories.
    fn places() -> (tempfile::TempDir, PathBuf) {
        let top = tempfile::tempdir().unwrap();
        let state = top.path().join("state");
        fs::create_dir(&state).unwrap();
        (top, state)
    }

    fn entry(top: &Path, name: &str, used: u64) -> Entry {
        let root = top.join(name);
        let git_dir = root.join(".git");
        fs::create_dir_all(&git_dir).unwrap();
        let home = Home { root, common_dir: git_dir.clone(), git_dir };
        Entry { home, env: BTreeMap::new(), found: None, used }
    }

    fn names(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.home.root.file_name().unwrap().to_str().unwrap()).collect()
    }

    #[test]
    fn those_that_are_still_there_are_taken_up_newest_first() {
        let (top, state) = places();
        let all = [("old", 10), ("new", 1), ("gone", 5), ("ancient", REMEMBERED.as_secs() + 60)];
        store(&state, all.iter().map(|(name, age)| entry(top.path(), name, now() - age)).collect()).unwrap();
        fs::remove_dir_all(top.path().join("gone")).unwrap();
        assert_eq!(names(&load(&state)), ["new", "old"]);
    }

    #[test]
    fn only_so_many_are_remembered() {
        let (top, state) = places();
        store(&state, (0..40).map(|age| entry(top.path(), &format!("r{age}"), now() - age)).collect()).unwrap();
        let loaded = load(&state);
        assert_eq!((loaded.len(), names(&loaded)[0]), (MAX, "r0"));
    }

    #[test]
    fn a_password_is_not_written_down() {
        let (top, state) = places();
        let mut secret = entry(top.path(), "secret", now());
        secret.env.insert("MIGD_ENGINE_URL".to_owned(), "postgres://u:hunter2@h".to_owned());
        store(&state, vec![secret]).unwrap();
        assert_eq!(fs::read_to_string(path(&state)).unwrap(), "[]");
    }

    #[test]
    fn what_is_damaged_is_no_list() {
        let (_top, state) = places();
        for damage in ["", "[{\"home\"", "\u{0}", "{}"] {
            fs::write(path(&state), damage).unwrap();
            assert_eq!(load(&state), []);
        }
    }

    #[test]
    fn a_list_cannot_name_the_repository_of_one_command() {
        let (top, state) = places();
        let mut entry = entry(top.path(), "one", now());
        entry.env.insert("GIT_DIR".to_owned(), "/elsewhere".to_owned());
        store(&state, vec![entry]).unwrap();
        assert!(load(&state)[0].env.is_empty());
    }
}
