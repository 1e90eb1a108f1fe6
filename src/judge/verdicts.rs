//! Verdicts kept by their key, in memory and on disk: what was judged once is not judged again, by whoever asks.
//!
//! A file holds one verdict: the hash of all that follows, a line feed, then JSON. It is written aside and renamed, so that
//! it is whole or not there; one that does not match its hash is removed. The files are bounded in number and bytes.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use blake3::Hash;
use serde::{Deserialize, Serialize};

use super::Depth;
use crate::verdict::{Outcome, Verdict};
use crate::wire::file;

/// How many verdicts are kept in memory, and how many bytes they may have as JSON.
const IN_MEMORY: Bound = Bound { number: 256, bytes: 4 << 20 };
/// How many are kept on disk.
const ON_DISK: Bound = Bound { number: 1024, bytes: 32 << 20 };
/// How often, in files written, the folder is looked through.
const LOOK: u64 = 16;

struct Bound {
    number: usize,
    bytes: usize,
}

/// The verdicts that are kept.
pub struct Verdicts {
    /// None: in memory only.
    folder: Option<PathBuf>,
    build: String,
    /// Whether files are written while somebody waits.
    in_place: bool,
    memory: Mutex<Memory>,
    hits: AtomicU64,
    misses: AtomicU64,
    written: AtomicU64,
}

#[derive(Default)]
struct Memory {
    entries: HashMap<Hash, Entry>,
    bytes: usize,
    clock: u64,
}

struct Entry {
    kept: Arc<Kept>,
    bytes: usize,
    used: u64,
}

/// One verdict, and how deeply its rows were searched for.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    full: bool,
    verdict: Verdict,
}

/// Figures for `migd status`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Verdicts in memory.
    pub kept: usize,
    /// How often an earlier verdict was used.
    pub hits: u64,
    /// How often there was none.
    pub misses: u64,
}

impl Verdicts {
    /// The verdicts of `build`, kept in a folder of `state`.
    pub fn of(state: &Path, build: &str) -> Verdicts {
        Verdicts {
            folder: Some(state.join("verdicts")),
            build: build.to_owned(),
            in_place: false,
            memory: Mutex::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            written: AtomicU64::new(0),
        }
    }

    /// The same, with files that are there before a verdict is handed out.
    pub fn in_place(self) -> Verdicts {
        Verdicts { in_place: true, ..self }
    }

    /// The build of migd whose verdicts these are.
    pub fn build(&self) -> &str {
        &self.build
    }

    /// How many there are and how often they were of use.
    pub fn figures(&self) -> Figures {
        let (hits, misses) = (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed));
        Figures { kept: self.memory().entries.len(), hits, misses }
    }

    /// Counts one question, for the figures.
    pub(super) fn count(&self, hit: bool) {
        let counter = if hit { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The verdict with this key whose rows were searched for at least so deeply.
    pub(super) fn find(&self, key: &Hash, depth: Depth) -> Option<Verdict> {
        let kept = self.remembered(key).or_else(|| self.read(key))?;
        (kept.full || depth == Depth::Quick).then(|| kept.verdict.clone())
    }

    /// Keeps a verdict, unless another time may give another one, or a deeper one is kept already.
    pub(super) fn keep(self: &Arc<Self>, key: Hash, verdict: &Verdict, depth: Depth, shared: bool) {
        if !lasts(verdict, shared) || (depth == Depth::Quick && self.find(&key, Depth::Full).is_some()) {
            return;
        }
        let kept = Arc::new(Kept { full: depth == Depth::Full, verdict: verdict.clone() });
        let Ok(json) = serde_json::to_vec(&*kept) else { return };
        if json.len() > IN_MEMORY.bytes {
            return;
        }
        self.memory().put(key, kept, json.len());
        let this = Arc::clone(self);
        let write = move || {
            if let Err(error) = this.write(&key, &json) {
                tracing::debug!(%error, "a verdict was not kept on disk");
            }
        };
        // Aside: nobody waits for a disk.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if !self.in_place => drop(runtime.spawn_blocking(write)),
            _ => write(),
        }
    }

    fn remembered(&self, key: &Hash) -> Option<Arc<Kept>> {
        let mut memory = self.memory();
        memory.clock += 1;
        let clock = memory.clock;
        let entry = memory.entries.get_mut(key)?;
        entry.used = clock;
        Some(Arc::clone(&entry.kept))
    }

    fn read(&self, key: &Hash) -> Option<Arc<Kept>> {
        let path = self.path(key)?;
        let file = fs::File::open(&path).ok()?;
        let length = file.metadata().ok()?.len();
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(&file, IN_MEMORY.bytes as u64 + 256), &mut bytes).ok()?;
        match parse(&bytes).filter(|_| bytes.len() as u64 == length) {
            Some(kept) => {
                // The least recently used go first.
                let _ = file.set_modified(SystemTime::now());
                let kept = Arc::new(kept);
                self.memory().put(*key, Arc::clone(&kept), bytes.len());
                Some(kept)
            }
            None => {
                tracing::warn!(path = %path.display(), "a kept verdict is damaged and was removed");
                let _ = fs::remove_file(path);
                None
            }
        }
    }

    fn write(&self, key: &Hash, json: &[u8]) -> io::Result<()> {
        let (Some(folder), Some(path)) = (&self.folder, self.path(key)) else { return Ok(()) };
        crate::wire::endpoint::private_dir(folder)?;
        let whole = [blake3::hash(json).to_hex().as_bytes(), b"\n", json].concat();
        file::replace(&path, &whole, file::PRIVATE)?;
        if self.written.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOOK) {
            prune(folder, &ON_DISK)?;
        }
        Ok(())
    }

    fn path(&self, key: &Hash) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(&*key.to_hex()))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn put(&mut self, key: Hash, kept: Arc<Kept>, bytes: usize) {
        self.clock += 1;
        let entry = Entry { kept, bytes, used: self.clock };
        self.bytes += bytes;
        self.bytes -= self.entries.insert(key, entry).map_or(0, |old| old.bytes);
        while self.entries.len() > IN_MEMORY.number || self.bytes > IN_MEMORY.bytes {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| *key);
            let Some(old) = oldest.and_then(|key| self.entries.remove(&key)) else { break };
            self.bytes -= old.bytes;
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Kept> {
    let (hash, json) = bytes.split_at_checked(blake3::OUT_LEN * 2)?;
    let json = json.strip_prefix(b"\n")?;
    let whole = Hash::from_hex(hash).ok()? == blake3::hash(json);
    if whole { serde_json::from_slice(json).ok() } else { None }
}

/// Removes the least recently used files above `bound`, and what a process that was killed left half written.
fn prune(folder: &Path, bound: &Bound) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)?.flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        // Not used yet: the clock was set back since, and would keep what is written now from staying.
        let used = meta.modified().ok().filter(|used| used.elapsed().is_ok()).unwrap_or(SystemTime::UNIX_EPOCH);
        let half = entry.file_name().as_encoded_bytes().starts_with(file::DRAFT.as_bytes());
        let old = used.elapsed().is_ok_and(|age| age.as_secs() > 60);
        match half {
            true if old => drop(fs::remove_file(entry.path())),
            true => {}
            false => files.push((used, meta.len(), entry.path())),
        }
    }
    files.sort_unstable_by_key(|(used, ..)| std::cmp::Reverse(*used));
    let mut bytes = 0;
    for (at, (_, length, path)) in files.into_iter().enumerate() {
        bytes += length;
        if at >= bound.number || bytes > bound.bytes as u64 {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Whether the same content will always give this verdict. What the machine's load, its disk or its installed packages
/// decide does not last; neither does a refusal by a server whose roles and settings are somebody else's.
fn lasts(verdict: &Verdict, shared: bool) -> bool {
    // Rolled back for others' sake, out of resources, interrupted, the system's fault, PostgreSQL's own.
    const PASSING: [&str; 5] = ["40", "53", "57", "58", "XX"];
    let passing = |finding: &crate::verdict::Finding| {
        let class = finding.sqlstate.as_deref().is_some_and(|code| PASSING.iter().any(|class| code.starts_with(class)));
        let code =
            ["apply.timeout", "apply.disk", "apply.connection-lost", "engine.timeout"].contains(&finding.code.as_str());
        let package = finding.message.contains("extension \"") && finding.message.contains("is not available");
        class || code || package
    };
    match verdict.outcome {
        Outcome::Error => false,
        Outcome::Fail if shared => false,
        _ => !verdict.findings.iter().any(passing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Finding, Mode, Severity};

    fn verdict(set: &str) -> Verdict {
        Verdict { outcome: Outcome::Pass, ..Verdict::error("/repo", set, Mode::Staged, Vec::new()) }
    }

    fn store(folder: &Path) -> Arc<Verdicts> {
        Arc::new(Verdicts::of(folder, "build"))
    }

    fn key(text: &str) -> Hash {
        blake3::hash(text.as_bytes())
    }

    #[test]
    fn what_one_process_keeps_another_finds() {
        let folder = tempfile::tempdir().unwrap();
        store(folder.path()).keep(key("a"), &verdict("a"), Depth::Full, false);
        assert_eq!(store(folder.path()).find(&key("a"), Depth::Full), Some(verdict("a")));
        assert_eq!(store(folder.path()).find(&key("b"), Depth::Full), None);
    }

    #[test]
    fn a_quick_verdict_is_no_answer_to_who_wants_a_deep_one_and_never_replaces_it() {
        let folder = tempfile::tempdir().unwrap();
        let kept = store(folder.path());
        kept.keep(key("a"), &verdict("quick"), Depth::Quick, false);
        assert_eq!(kept.find(&key("a"), Depth::Full), None);
        assert_eq!(kept.find(&key("a"), Depth::Quick), Some(verdict("quick")));
        kept.keep(key("a"), &verdict("deep"), Depth::Full, false);
        kept.keep(key("a"), &verdict("quick"), Depth::Quick, false);
        assert_eq!(kept.find(&key("a"), Depth::Quick), Some(verdict("deep")));
        assert_eq!(store(folder.path()).find(&key("a"), Depth::Full), Some(verdict("deep")));
    }

    #[test]
    fn a_damaged_file_is_ignored_and_removed() {
        for damage in [|bytes: &mut Vec<u8>| bytes.truncate(80), |bytes: &mut Vec<u8>| bytes[90] ^= 1, Vec::clear] {
            let folder = tempfile::tempdir().unwrap();
            store(folder.path()).keep(key("a"), &verdict("a"), Depth::Full, false);
            let path = folder.path().join("verdicts").join(&*key("a").to_hex());
            let mut bytes = fs::read(&path).unwrap();
            damage(&mut bytes);
            fs::write(&path, bytes).unwrap();
            assert_eq!(store(folder.path()).find(&key("a"), Depth::Full), None);
            assert!(!path.exists());
        }
    }

    #[test]
    fn files_and_folder_are_their_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        store(folder.path()).keep(key("a"), &verdict("a"), Depth::Full, false);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let folder = folder.path().join("verdicts");
        assert_eq!((mode(&folder), mode(&folder.join(&*key("a").to_hex()))), (0o700, 0o600));
    }

    #[test]
    fn the_least_recently_used_go_first() {
        let folder = tempfile::tempdir().unwrap();
        for (age, name) in ["new", "middle", "old"].iter().enumerate() {
            let path = folder.path().join(name);
            fs::write(&path, [0; 10]).unwrap();
            let time = SystemTime::now() - std::time::Duration::from_secs(age as u64 * 100);
            fs::File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
        }
        let left = |bound: &Bound| {
            prune(folder.path(), bound).unwrap();
            let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
            names.sort();
            names
        };
        assert_eq!(left(&Bound { number: 2, bytes: 100 }), ["middle", "new"]);
        assert_eq!(left(&Bound { number: 2, bytes: 15 }), ["new"]);
    }

    #[test]
    fn after_the_clock_was_set_back_what_is_written_now_stays() {
        let folder = tempfile::tempdir().unwrap();
        for (name, ahead) in [("of next year", 365 * 24 * 3600), (".migd-half", 3600), ("of today", 0)] {
            let path = folder.path().join(name);
            fs::write(&path, "verdict").unwrap();
            let time = SystemTime::now() + std::time::Duration::from_secs(ahead);
            fs::File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
        }
        prune(folder.path(), &Bound { number: 1, bytes: 100 }).unwrap();
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["of today"]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut memory = Memory::default();
        for number in 0..300 {
            let kept = Arc::new(Kept { full: true, verdict: verdict("a") });
            memory.put(key(&number.to_string()), kept, 100);
        }
        assert_eq!((memory.entries.len(), memory.bytes), (IN_MEMORY.number, IN_MEMORY.number * 100));
        assert!(memory.entries.contains_key(&key("299")) && !memory.entries.contains_key(&key("0")));
    }

    #[test]
    fn what_another_time_may_judge_otherwise_is_not_kept() {
        let found = |code: &str, message: &str, sqlstate: &str| {
            let finding = Finding::new(code, Severity::Error, message);
            let finding = Finding { sqlstate: Some(sqlstate.to_owned()), ..finding };
            Verdict { outcome: Outcome::Fail, findings: vec![finding], ..verdict("a") }
        };
        let refused = found("apply.error", "relation \"a\" does not exist", "42P01");
        assert!(lasts(&refused, false));
        assert!(!lasts(&refused, true), "another role or schema may be there next time");
        assert!(!lasts(&found("apply.timeout", "it takes longer than 5 s", "57014"), false));
        assert!(!lasts(&found("apply.error", "could not extend file", "53100"), false));
        assert!(!lasts(&found("apply.error", "extension \"postgis\" is not available", "0A000"), false));
        assert!(lasts(&found("apply.error", "cannot alter type of a column used by a view", "0A000"), false));
        assert!(!lasts(&Verdict::error("/repo", "a", Mode::Staged, Vec::new()), false));
    }
}
