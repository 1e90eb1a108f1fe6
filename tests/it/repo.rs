//! Every form of `git commit`: while its hook waits, `staged()` is what the commit then records, and nothing else.

mod kept;
mod kinds;

use std::collections::BTreeMap;
use std::process::Command;

use migd::repo::{Entry, Error, Location, Repo};

use crate::support::git::Sandbox;

/// Paths and contents, as `repo` reads them.
fn contents(repo: &Repo, entries: &[Entry]) -> BTreeMap<String, String> {
    let text = |entry: &Entry| {
        let bytes = repo.read(&entry.id, 1 << 20).unwrap().bytes.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    entries.iter().map(|entry| (entry.path.clone(), text(entry))).collect()
}

fn paths(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.path.as_str()).collect()
}

fn all() -> Vec<String> {
    vec![String::new()]
}

fn var<'a>(location: &'a Location, name: &str) -> &'a str {
    location.git_env.get(name).map_or("", String::as_str)
}

/// Commits with `command` and holds what is read during the hook against what the new commit has.
fn check(sandbox: &Sandbox, folder: &str, command: Command, input: &str) -> Location {
    let mut during = Vec::new();
    let mut told = Location::default();
    sandbox.commit(command, input, |location| {
        assert!(Repo::open(&location).unwrap().is_through_library(), "there would be nothing to compare");
        for (how, repo) in sandbox.both(&location) {
            let staged = repo.staged(&all()).unwrap();
            during.push((how, repo.root().unwrap().to_owned(), contents(&repo, &staged)));
        }
        told = location;
    });
    let names = sandbox.git_in(folder, &["ls-tree", "-r", "--name-only", "--full-tree", "HEAD"]);
    let show = |name: &str| (name.to_owned(), sandbox.git_in(folder, &["cat-file", "blob", &format!("HEAD:{name}")]));
    let committed: BTreeMap<String, String> = names.lines().map(show).collect();
    for (how, root, staged) in during {
        assert_eq!(staged, committed, "read by {how}");
        assert_eq!(root, sandbox.path(folder), "read by {how}");
    }
    told
}

fn commit(sandbox: &Sandbox, folder: &str, arguments: &[&str]) -> Command {
    let mut command = sandbox.command(folder);
    command.arg("commit").args(arguments);
    command
}

/// A repository where index and work tree differ from HEAD and from each other.
fn unsettled() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("migrations/2.sql", "two, staged").write("migrations/3.sql", "three, staged");
    sandbox.git(&["add", "."]);
    sandbox.write("migrations/2.sql", "two, on disk").write("migrations/1.sql", "one, on disk");
    sandbox.write("migrations/untracked.sql", "never staged");
    sandbox
}

#[test]
fn plain() {
    let sandbox = unsettled();
    let told = check(&sandbox, "repo", commit(&sandbox, "repo", &["-m", "x"]), "");
    assert_eq!(var(&told, "GIT_INDEX_FILE"), ".git/index", "relative, which is what this test is about");
    assert_eq!(sandbox.read("migrations/2.sql"), "two, on disk");
}

#[test]
fn with_all_changes() {
    let sandbox = unsettled();
    let told = check(&sandbox, "repo", commit(&sandbox, "repo", &["-am", "x"]), "");
    assert!(var(&told, "GIT_INDEX_FILE").ends_with("/index.lock"));
}

#[test]
fn with_paths() {
    let sandbox = unsettled();
    let told = check(&sandbox, "repo", commit(&sandbox, "repo", &["-m", "x", "migrations/1.sql"]), "");
    assert!(var(&told, "GIT_INDEX_FILE").contains("/next-index-"));
}

#[test]
fn with_paths_from_a_subfolder() {
    let sandbox = unsettled();
    check(&sandbox, "repo", commit(&sandbox, "repo/migrations", &["-m", "x", "1.sql"]), "");
}

#[test]
fn including_paths() {
    let sandbox = unsettled();
    check(&sandbox, "repo", commit(&sandbox, "repo", &["-m", "x", "--include", "migrations/1.sql"]), "");
}

#[test]
fn hunk_by_hunk() {
    let sandbox = unsettled();
    check(&sandbox, "repo", commit(&sandbox, "repo", &["-p", "-m", "x"]), "y\nn\n");
}

#[test]
fn amended() {
    let sandbox = unsettled();
    check(&sandbox, "repo", commit(&sandbox, "repo", &["--amend", "-m", "x"]), "");
}

#[test]
fn from_a_subfolder() {
    let sandbox = unsettled();
    check(&sandbox, "repo", commit(&sandbox, "repo/src", &["-m", "x"]), "");
}

#[test]
fn with_settings_on_the_command_line() {
    let sandbox = unsettled();
    let mut command = sandbox.command("repo");
    command.args(["-c", "core.quotePath=false", "commit", "-m", "x", "migrations/1.sql"]);
    let mut during = Vec::new();
    sandbox.commit(command, "", |location| {
        assert!(location.git_env.contains_key("GIT_CONFIG_PARAMETERS"));
        let repo = Repo::open(&location).unwrap();
        assert!(repo.is_through_library(), "what says nothing about the repository costs no process");
        during = repo.staged(&all()).unwrap();
    });
    let repo = sandbox.open();
    assert_eq!(during, repo.tree(&repo.head().unwrap().unwrap(), &all()).unwrap());
}

#[test]
fn in_a_submodule() {
    let sandbox = unsettled();
    sandbox.git_in("", &["clone", "-q", "repo", "library"]);
    sandbox.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../library", "vendored"]);
    sandbox.write("vendored/migrations/2.sql", "two, staged");
    sandbox.git_in("repo/vendored", &["add", "."]);
    sandbox.write("vendored/migrations/2.sql", "two, on disk");
    check(&sandbox, "repo/vendored", commit(&sandbox, "repo/vendored/src", &["-m", "x"]), "");
    check(&sandbox, "repo/vendored", commit(&sandbox, "repo/vendored", &["-am", "x"]), "");
}

#[test]
fn in_a_linked_worktree() {
    let sandbox = unsettled();
    sandbox.git(&["worktree", "add", "-q", "../linked"]);
    std::fs::write(sandbox.path("linked/migrations/2.sql"), "two, linked").unwrap();
    sandbox.git_in("linked", &["add", "."]);
    std::fs::write(sandbox.path("linked/migrations/2.sql"), "two, on disk").unwrap();
    check(&sandbox, "linked", commit(&sandbox, "linked/src", &["-m", "x"]), "");
    check(&sandbox, "linked", commit(&sandbox, "linked", &["-am", "x"]), "");
}

#[test]
fn with_git_dir_and_work_tree() {
    let sandbox = unsettled();
    let mut command = commit(&sandbox, "", &["-m", "x"]);
    command.env("GIT_DIR", "repo/.git").env("GIT_WORK_TREE", "repo");
    check(&sandbox, "repo", command, "");
    let mut command = commit(&sandbox, "repo/src", &["-am", "x"]);
    command.env("GIT_DIR", "../.git").env("GIT_WORK_TREE", "..");
    check(&sandbox, "repo", command, "");
}

#[test]
fn with_a_git_dir_elsewhere() {
    let sandbox = unsettled();
    std::fs::rename(sandbox.path("repo/.git"), sandbox.path("apart.git")).unwrap();
    let mut during = Vec::new();
    let mut command = sandbox.command("repo");
    command.args(["--git-dir=../apart.git", "commit", "-m", "x", "migrations/1.sql"]);
    sandbox.commit(command, "", |location| {
        for (_, repo) in sandbox.both(&location) {
            assert_eq!(repo.root(), Some(sandbox.top().as_path()));
            during.push(repo.staged(&all()).unwrap());
        }
    });
    let repo = Repo::open(&sandbox.location_with("repo", &[("GIT_DIR", "../apart.git")])).unwrap();
    let tree = repo.tree(&repo.head().unwrap().unwrap(), &all()).unwrap();
    assert!(during.iter().all(|staged| *staged == tree), "{during:?} {tree:?}");
}

#[test]
fn with_another_index() {
    let sandbox = unsettled();
    std::fs::copy(sandbox.path("repo/.git/index"), sandbox.path("repo/other-index")).unwrap();
    sandbox.git(&["reset", "-q"]);
    let mut command = commit(&sandbox, "repo/src", &["-m", "x"]);
    // Relative to the top of the work tree, though git is started below it.
    command.env("GIT_INDEX_FILE", "other-index");
    check(&sandbox, "repo", command, "");
}

#[test]
fn first_of_all() {
    let sandbox = Sandbox::unborn(&[]);
    sandbox.write("migrations/1.sql", "staged");
    sandbox.git(&["add", "."]);
    sandbox.write("migrations/1.sql", "on disk");
    check(&sandbox, "repo", commit(&sandbox, "repo", &["-m", "x"]), "");
}

#[test]
fn of_a_merge() {
    let sandbox = Sandbox::new();
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.write("migrations/3.sql", "side");
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-qm", "side"]);
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.write("migrations/3.sql", "main");
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-qm", "main"]);
    assert!(!sandbox.try_git(&["merge", "side"]).status.success(), "a conflict is wanted");
    for (how, repo) in sandbox.both(&sandbox.location("repo")) {
        let error = repo.staged(&all()).unwrap_err();
        assert!(matches!(&error, Error::Conflicted(paths) if paths == &["migrations/3.sql"]), "{how}: {error}");
        assert_eq!(error.code(), "config.conflicted-index");
        assert_eq!(paths(&repo.staged(&["src".to_owned()]).unwrap()), ["src/a"], "{how}: conflicts elsewhere");
    }
    sandbox.write("migrations/3.sql", "both");
    sandbox.git(&["add", "."]);
    sandbox.write("migrations/3.sql", "on disk");
    check(&sandbox, "repo", commit(&sandbox, "repo", &["-m", "x"]), "");
}

#[test]
fn an_index_that_is_gone_is_not_an_empty_one() {
    let sandbox = unsettled();
    let mut told = Location::default();
    sandbox.commit(commit(&sandbox, "repo", &["-am", "x"]), "", |location| told = location);
    for (how, repo) in sandbox.both(&told) {
        assert!(matches!(repo.staged(&all()), Err(Error::IndexGone(_))), "{how}");
    }
}
