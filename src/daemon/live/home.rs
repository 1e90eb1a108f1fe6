//! Where a repository lies, which of its files decide a verdict, and which folders must be watched to see them change.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::layout;
use crate::watch::Folder;

/// What git keeps in its folder and a verdict depends on.
const IN_GIT_DIR: &[&str] = &["HEAD", "index", "MERGE_HEAD", "config.worktree"];
/// The same in the folder that all work trees share.
const IN_COMMON_DIR: &[&str] = &["HEAD", "FETCH_HEAD", "packed-refs", "config", "worktrees"];
/// How many folders are watched for sets that may appear in them, and how far down.
const SOUGHT: usize = 32;
const SOUGHT_DEPTH: usize = 3;
/// How many links are followed for what they lead to.
const LINKED: usize = 1024;
/// The variables that decide how git reads a repository that it finds by itself; the others belong to one command.
const LASTING: &[&str] = &[
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CEILING_DIRECTORIES",
    "HOME",
    "XDG_CONFIG_HOME",
];

/// A repository's folders.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Home {
    /// The top of the work tree.
    pub(crate) root: PathBuf,
    /// The git folder of this work tree.
    pub(crate) git_dir: PathBuf,
    /// The one that all work trees share.
    pub(crate) common_dir: PathBuf,
}

/// The files that decide a verdict.
#[derive(Debug, Clone)]
pub(super) struct Interest {
    pub(super) home: Home,
    /// The sets' folders.
    pub(super) sets: Vec<PathBuf>,
    /// Single files: the configuration, setup SQL.
    pub(super) files: Vec<PathBuf>,
    /// Folders in which a set may appear; none where the sets are configured.
    pub(super) sought: Vec<PathBuf>,
}

/// The topmost folders of the work tree at `root` that git does not ignore: where a set is made that was not there.
pub(super) fn sought(root: &Path) -> Vec<PathBuf> {
    let mut walk = ignore::WalkBuilder::new(root);
    walk.hidden(true).ignore(false).require_git(false).follow_links(false).max_depth(Some(SOUGHT_DEPTH));
    walk.filter_entry(|entry| {
        let own = entry.depth() == 0 || !entry.path().join(".git").exists();
        own && entry.file_type().is_some_and(|kind| kind.is_dir()) && !is_foreign(entry.path())
    });
    let mut folders: Vec<_> = walk.build().filter_map(Result::ok).take(SOUGHT * 16).collect();
    folders.sort_by(|one, other| (one.depth(), one.path()).cmp(&(other.depth(), other.path())));
    folders.into_iter().take(SOUGHT).map(ignore::DirEntry::into_path).collect()
}

/// The files inside of the repository at `root` that links in the folders `sets`, and in those that are linked there, lead to: what
/// is written there is written in a set, and nothing in the set's folder tells. Linked folders are watched with the set's own.
pub(super) fn linked(root: &Path, sets: &[PathBuf]) -> Vec<PathBuf> {
    let top = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let (mut files, mut seen) = (Vec::new(), BTreeSet::new());
    let mut left: Vec<PathBuf> = sets.to_vec();
    while let Some(folder) = left.pop().filter(|_| files.len() < LINKED && seen.len() < LINKED) {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            // All of the repository's top is the set, and nothing below it.
            if kind.is_dir() && folder != root {
                left.push(entry.path());
            } else if kind.is_symlink()
                && let Some(real) = entry.path().canonicalize().ok().filter(|real| real.starts_with(&top))
            {
                match real.is_dir() {
                    true if folder == root || !seen.insert(real.clone()) => {}
                    true => left.push(real),
                    false => files.push(real),
                }
            }
        }
    }
    files
}

/// Whether a folder holds other people's files, or is hidden.
fn is_foreign(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with('.') || layout::is_vendored(name)
}

/// The part of a client's variables that holds for later judgements too.
pub(super) fn lasting(env: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let lasts = |name: &str| name.starts_with("MIGD_") || LASTING.contains(&name);
    env.iter().filter(|(name, _)| lasts(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

impl Interest {
    /// Whether a verdict may be another one after a change at `path`.
    pub(super) fn concerns(&self, path: &Path) -> bool {
        let Home { root, git_dir, common_dir } = &self.home;
        let named =
            |names: &[&str]| path.file_name().and_then(|name| name.to_str()).is_some_and(|n| names.contains(&n));
        let parent = path.parent();
        let set = |set: &PathBuf| match set == root {
            // All of the repository's top is the set, and nothing below it.
            true => parent == Some(root) && !named(&[".git"]),
            false => path.starts_with(set) || set.starts_with(path),
        };
        self.sets.iter().any(set)
            || self.files.iter().any(|file| file == path)
            || (parent == Some(git_dir) && named(IN_GIT_DIR))
            || (parent == Some(common_dir) && named(IN_COMMON_DIR))
            || path == git_dir.join("logs/HEAD")
            || parent == Some(&common_dir.join("worktrees"))
            || path.starts_with(common_dir.join("refs/remotes"))
            || path.starts_with(common_dir.join("reftable"))
            || path == git_dir
    }

    /// Whether a set may have come with what is at `path` now.
    pub(super) fn may_bring_a_set(&self, path: &Path) -> bool {
        let inside = path.parent().is_some_and(|parent| self.sought.iter().any(|folder| folder == parent));
        inside && (path.extension().is_some_and(|ext| ext == "sql") || (path.is_dir() && !is_foreign(path)))
    }

    /// The folders to watch. Those above a set tell when it is replaced.
    pub(super) fn folders(&self) -> Vec<Folder> {
        let Home { root, git_dir, common_dir } = &self.home;
        let mut shallow = BTreeSet::from([root.clone(), git_dir.clone(), git_dir.join("logs"), common_dir.clone()]);
        for below in ["worktrees", "refs/remotes/origin", "reftable"] {
            shallow.insert(common_dir.join(below));
        }
        for path in self.sets.iter().chain(&self.files) {
            shallow.extend(path.ancestors().skip(1).take_while(|above| above.starts_with(root)).map(Path::to_owned));
        }
        shallow.extend(self.sought.iter().cloned());
        let deep: Vec<&PathBuf> = self.sets.iter().filter(|set| *set != root).collect();
        let shallow = shallow.into_iter().filter(|path| !deep.iter().any(|set| path.starts_with(set)));
        let shallow = shallow.map(|path| Folder { path, deep: false }).collect::<Vec<_>>();
        shallow.into_iter().chain(deep.iter().map(|set| Folder { path: (*set).clone(), deep: true })).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interest(sets: &[&str]) -> Interest {
        let home = Home { root: "/r".into(), git_dir: "/r/.git".into(), common_dir: "/r/.git".into() };
        let sets = sets.iter().map(|set| Path::new("/r").join(set)).collect();
        Interest { home, sets, files: vec!["/r/migd.toml".into(), "/r/sql/before.sql".into()], sought: Vec::new() }
    }

    #[test]
    fn what_decides_a_verdict_concerns_it_and_nothing_else() {
        let interest = interest(&["db/migrations"]);
        let of = |path: &str| interest.concerns(Path::new(path));
        for path in ["db/migrations/1.sql", "db/migrations/1/up.sql", "db", "migd.toml", "sql/before.sql"] {
            assert!(of(&format!("/r/{path}")), "{path}");
        }
        for path in ["HEAD", "index", "logs/HEAD", "refs/remotes/origin/main", "worktrees/one", "packed-refs"] {
            assert!(of(&format!("/r/.git/{path}")), "{path}");
        }
        for path in ["db/other.sql", "src/main.rs", ".git/index.lock", ".git/COMMIT_EDITMSG", "sql/after.sql"] {
            assert!(!of(&format!("/r/{path}")), "{path}");
        }
    }

    #[test]
    fn a_set_at_the_top_has_no_folders_below_it() {
        let interest = interest(&[""]);
        let of = |path: &str| interest.concerns(Path::new(path));
        assert!(of("/r/1.sql") && !of("/r/src/1.sql") && !of("/r/.git/index.lock"));
        assert!(interest.folders().iter().all(|folder| !folder.deep));
    }

    #[test]
    fn the_folders_above_a_set_are_watched_without_what_else_is_in_them() {
        let folders = interest(&["db/migrations"]).folders();
        let has = |path: &str, deep| folders.contains(&Folder { path: path.into(), deep });
        assert!(has("/r", false) && has("/r/db", false) && has("/r/db/migrations", true) && has("/r/sql", false));
        assert!(has("/r/.git", false) && has("/r/.git/logs", false));
    }

    #[test]
    fn sets_are_looked_for_near_the_top_and_not_among_other_peoples_files() {
        let top = tempfile::tempdir().unwrap();
        let root = top.path();
        for folder in ["a/b/c/d", "node_modules/x", ".git/refs", "out/x", "other/.git"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::write(root.join(".gitignore"), "/out\n").unwrap();
        let found = sought(root);
        let found: Vec<_> = found.iter().map(|path| path.strip_prefix(root).unwrap().to_str().unwrap()).collect();
        assert_eq!(found, ["", "a", "a/b", "a/b/c"]);
        let interest = Interest { sought: sought(root), ..interest(&[]) };
        assert!(interest.may_bring_a_set(&root.join("a/b")) && interest.may_bring_a_set(&root.join("a/1_new.sql")));
        assert!(!interest.may_bring_a_set(&root.join("node_modules")));
        assert!(
            !interest.may_bring_a_set(&root.join("a/main.rs")) && !interest.may_bring_a_set(&root.join("a/b/c/d/e"))
        );
    }

    #[test]
    fn what_links_in_a_set_lead_to_is_found_unless_it_is_elsewhere() {
        let (top, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
        let root = top.path().canonicalize().unwrap();
        for folder in ["set/1", "shared/all"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::write(root.join("shared/1.sql"), "").unwrap();
        std::fs::write(root.join("shared/2.sql"), "").unwrap();
        let link = |to: &Path, from: &str| std::os::unix::fs::symlink(to, root.join(from)).unwrap();
        link(Path::new("../../shared/1.sql"), "set/1/up.sql");
        link(Path::new("../shared/all"), "set/2");
        link(Path::new("../2.sql"), "shared/all/up.sql");
        link(Path::new("../../set"), "shared/all/again");
        link(elsewhere.path(), "set/3.sql");
        link(Path::new("nothing"), "set/4.sql");
        let mut found = linked(&root, &[root.join("set")]);
        found.sort();
        found.dedup();
        assert_eq!(found, [root.join("shared/1.sql"), root.join("shared/2.sql")]);
    }

    #[test]
    fn variables_of_one_command_do_not_last() {
        let env =
            ["MIGD_ENGINE", "GIT_INDEX_FILE", "GIT_DIR", "GIT_CONFIG_GLOBAL"].map(|n| (n.to_owned(), "x".to_owned()));
        let kept: Vec<String> = lasting(&env.into()).into_keys().collect();
        assert_eq!(kept, ["GIT_CONFIG_GLOBAL", "MIGD_ENGINE"]);
    }
}
