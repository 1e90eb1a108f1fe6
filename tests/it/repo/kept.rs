//! What is kept between requests is kept by content: nothing that changes a repository is answered with what was there
//! before, however little time lies between. Every answer is held against one that keeps nothing.

use std::collections::BTreeMap;

use migd::config::Config;
use migd::judge::{Kept, Query, plan};
use migd::repo::{Location, Repo};
use migd::wire::Selection;

use crate::support::git::Sandbox;

/// What the daemon would find out at `location`: files, what they were, what production may have.
fn seen(location: &Location, kept: &Kept, touched_only: bool) -> Vec<String> {
    let repo = Repo::open(location).unwrap();
    let config = plan::kept_configuration(&repo, true, &location.git_env, kept).unwrap();
    let selection = Selection::Staged;
    let plan = plan::plan(&repo, config, kept, &Query { selection: &selection, sets: &[], touched_only }).unwrap();
    let set = |set: &migd::judge::SetPlan| {
        let files = set.chain.migrations.iter().map(|m| format!("{}={}", m.up.path, m.up.text));
        let files: Vec<_> = files.collect();
        format!("{} {:?} {:?} {:?} {:?}", set.root, files, set.changes, set.base, set.upstream_chain.is_some())
    };
    plan.sets.iter().map(set).collect()
}

/// Asks as a daemon that has been asked before does, and as one that has not.
fn hold(kept: &Kept, location: &Location, when: &str) -> Vec<String> {
    for touched_only in [true, false] {
        assert_eq!(
            seen(location, kept, touched_only),
            seen(location, &Kept::default(), touched_only),
            "{when}, touched only: {touched_only}"
        );
    }
    seen(location, kept, true)
}

/// A repository with one set, asked about before.
fn sandbox() -> (Sandbox, Kept) {
    let sandbox = Sandbox::new();
    sandbox.write("migd.toml", "[[migrations]]\npath = \"migrations\"\nlayout = \"plain\"\n");
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-qm", "a set"]);
    let kept = Kept::default();
    assert_eq!(hold(&kept, &sandbox.location("repo"), "at first"), [""; 0], "nothing is staged");
    (sandbox, kept)
}

#[test]
fn an_index_written_again_in_the_same_moment() {
    let (sandbox, kept) = sandbox();
    let location = sandbox.location("repo");
    // Of one length, so that the index's own length and, often, its time are what they were.
    for text in ["first", "other", "third"] {
        sandbox.write("migrations/3.sql", text);
        sandbox.git(&["add", "."]);
        for written in [false, true] {
            if written {
                // What git does before it calls the hook: the index then names its trees.
                sandbox.git(&["write-tree"]);
            }
            let named = sandbox.open().staged_folder("migrations").is_some();
            assert_eq!(named, written, "whether there is a name is what this test is about");
            assert!(hold(&kept, &location, text)[0].contains(text), "{text}, written: {written}");
        }
    }
    sandbox.git(&["reset", "-q"]);
    assert_eq!(hold(&kept, &location, "unstaged"), [""; 0]);
}

#[test]
fn a_folders_name_is_known_before_git_writes_it() {
    let (sandbox, _) = sandbox();
    sandbox.write("migrations/deep/down.sql", "two folders");
    sandbox.write("migrations/deep.sql", "sorts before the folder");
    sandbox.write("migrations/deep-1.sql", "and before that");
    sandbox.write("migrations/run", "executable");
    sandbox.write("migrations2/1.sql", "beside it");
    sandbox.git(&["add", "."]);
    sandbox.git(&["update-index", "--chmod=+x", "migrations/run"]);
    for folder in ["migrations", "migrations/deep", "", "none"] {
        let foreseen = sandbox.open().staged_folder_to_be(folder);
        sandbox.git(&["write-tree"]);
        assert_eq!(foreseen, sandbox.open().staged_folder(folder), "{folder}");
        sandbox.write("more.sql", folder);
        sandbox.git(&["add", "."]);
    }
    sandbox.write("migrations/later.sql", "known by name");
    sandbox.git(&["add", "--intent-to-add", "."]);
    assert_eq!(sandbox.open().staged_folder_to_be("migrations"), None, "git leaves that one out");
}

#[test]
fn a_head_that_moved() {
    let (sandbox, kept) = sandbox();
    let location = sandbox.location("repo");
    sandbox.write("migrations/3.sql", "three");
    sandbox.git(&["add", "."]);
    assert_eq!(hold(&kept, &location, "staged").len(), 1);
    sandbox.git(&["commit", "-qm", "three"]);
    assert_eq!(hold(&kept, &location, "committed"), [""; 0]);
    sandbox.git(&["reset", "-q", "--soft", "HEAD~1"]);
    assert_eq!(hold(&kept, &location, "taken back, still staged").len(), 1);
    sandbox.git(&["checkout", "-q", "--orphan", "fresh"]);
    assert!(hold(&kept, &location, "a branch without commits")[0].contains("Added, Added, Added"));
}

#[test]
fn an_upstream_that_moved() {
    let (sandbox, kept) = sandbox();
    let location = sandbox.location("repo");
    sandbox.git(&["update-ref", "refs/remotes/origin/main", "HEAD~1"]);
    sandbox.write("migrations/3.sql", "three");
    sandbox.git(&["add", "."]);
    let before = hold(&kept, &location, "upstream is behind");
    sandbox.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
    let after = hold(&kept, &location, "upstream has caught up");
    assert_ne!(before, after, "the base is another one");
}

#[test]
fn a_configuration_that_changed() {
    let (sandbox, kept) = sandbox();
    let location = sandbox.location("repo");
    let cap = |kept: &Kept, env: &BTreeMap<String, String>| {
        let config: Config = plan::kept_configuration(&sandbox.open(), true, env, kept).unwrap();
        (config.hook.budget, config.hook.unavailable)
    };
    let plain = cap(&kept, &location.git_env);
    sandbox.write("migd.toml", "[hook]\nbudget = \"7s\"\n");
    sandbox.git(&["add", "."]);
    let staged = cap(&kept, &location.git_env);
    assert_ne!(staged, plain);
    let mut env = location.git_env.clone();
    env.insert("MIGD_HOOK_BUDGET".to_owned(), "9s".to_owned());
    let overridden = cap(&kept, &env);
    assert_ne!(overridden, staged);
    assert_eq!([cap(&Kept::default(), &env), cap(&kept, &location.git_env)], [overridden, staged]);
}

#[test]
fn another_index() {
    let (sandbox, kept) = sandbox();
    sandbox.write("migrations/3.sql", "three");
    let other = sandbox.location_with("repo", &[("GIT_INDEX_FILE", ".git/other")]);
    std::fs::copy(sandbox.path("repo/.git/index"), sandbox.path("repo/.git/other")).unwrap();
    let mut add = sandbox.command("repo");
    assert!(add.env("GIT_INDEX_FILE", ".git/other").args(["add", "."]).status().unwrap().success());
    assert_eq!(hold(&kept, &other, "a temporary index").len(), 1);
    assert_eq!(hold(&kept, &sandbox.location("repo"), "the usual one"), [""; 0]);
}

#[test]
fn another_work_tree() {
    let (sandbox, kept) = sandbox();
    sandbox.git(&["worktree", "add", "-q", "../linked", "-b", "linked"]);
    std::fs::write(sandbox.path("linked/migrations/3.sql"), "three").unwrap();
    sandbox.git_in("linked", &["add", "."]);
    assert_eq!(hold(&kept, &sandbox.location("linked"), "the linked one").len(), 1);
    assert_eq!(hold(&kept, &sandbox.location("repo"), "the main one"), [""; 0]);
}

#[test]
fn an_index_that_becomes_split() {
    let (sandbox, kept) = sandbox();
    sandbox.write("migrations/3.sql", "three");
    sandbox.git(&["add", "."]);
    sandbox.git(&["write-tree"]);
    let whole = hold(&kept, &sandbox.location("repo"), "in one file");
    sandbox.git(&["update-index", "--split-index"]);
    sandbox.git(&["write-tree"]);
    assert_eq!(sandbox.open().staged_folder("migrations"), None, "what is in two files is read by git");
    assert_eq!(hold(&kept, &sandbox.location("repo"), "split"), whole);
    sandbox.write("migrations/3.sql", "other");
    sandbox.git(&["add", "."]);
    assert!(hold(&kept, &sandbox.location("repo"), "split and changed")[0].contains("other"));
}

#[test]
fn entries_that_are_in_no_tree_hide_behind_no_name() {
    let (sandbox, kept) = sandbox();
    let location = sandbox.location("repo");
    sandbox.git(&["write-tree"]);
    sandbox.write("migrations/3.sql", "three");
    sandbox.git(&["add", "--intent-to-add", "migrations/3.sql"]);
    assert_eq!(hold(&kept, &location, "an intent to add"), [""; 0]);
    sandbox.git(&["add", "."]);
    assert_eq!(hold(&kept, &location, "added").len(), 1);
}
