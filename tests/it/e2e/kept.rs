//! Verdicts are kept by content: whoever asks for one that was reached before has it at once, without a server.

use std::fs;
use std::path::PathBuf;

use crate::support::realm::eventually;
use crate::support::sandbox::{BROKEN, GOOD, GOOD_DOWN, Sandbox};

/// A realm of its own, whose daemon has judged a broken migration, which is still staged.
fn refused() -> Sandbox {
    let repo = Sandbox::alone();
    repo.migration(2, "age", BROKEN, GOOD_DOWN);
    repo.commit(&[]).status(1).says("relation \"persons\" does not exist");
    eventually("the verdict is on disk", || files(&repo).len() == 1);
    repo
}

fn files(repo: &Sandbox) -> Vec<PathBuf> {
    let entries = fs::read_dir(repo.realm().state().join("verdicts")).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.path());
    names.filter(|path| !path.file_name().unwrap().as_encoded_bytes().starts_with(b".")).collect()
}

fn stop(repo: &Sandbox) {
    repo.migd(&["stop"]).ok();
    eventually("nothing runs", || repo.realm().is_empty());
}

#[track_caller]
fn cached(verdict: &serde_json::Value) {
    assert_eq!(verdict["cached"], true, "{verdict:#}");
}

#[test]
fn a_commit_finds_its_verdict_after_a_restart_and_needs_no_server() {
    let repo = refused();
    stop(&repo);
    repo.commit(&[]).status(1).says("relation \"persons\" does not exist").says("(cached)");
    assert!(repo.realm().data_folders().is_empty(), "no server was started");
}

#[test]
fn a_check_without_a_daemon_finds_it_too() {
    let repo = refused();
    stop(&repo);
    cached(&repo.check(&["--no-daemon"]));
    assert!(repo.realm().is_empty(), "nothing was started");
}

#[test]
fn what_a_check_without_a_daemon_finds_out_the_daemon_knows() {
    let repo = Sandbox::alone();
    repo.migration(2, "age", BROKEN, GOOD_DOWN);
    assert_eq!(repo.check(&["--no-daemon"])["cached"], false);
    cached(&repo.check(&[]));
}

#[test]
fn the_work_tree_the_index_and_another_work_tree_share_it() {
    let repo = refused();
    let worktree = repo.check(&["--worktree"]);
    cached(&worktree);
    assert_eq!(worktree["mode"], "worktree");
    repo.git(&["worktree", "add", "--quiet", "linked"]);
    let linked = repo.at("linked");
    linked.migration(2, "age", BROKEN, GOOD_DOWN);
    let verdict = linked.check(&[]);
    cached(&verdict);
    assert_eq!(verdict["repo"], linked.path().canonicalize().unwrap().to_str().unwrap());
    assert_eq!(verdict["mode"], "staged");
}

#[test]
fn it_is_another_one_after_any_change_that_counts() {
    let repo = refused();
    let differs = |why: &str| {
        assert_eq!(repo.check(&[])["cached"], false, "{why}");
        cached(&repo.check(&[]));
    };
    repo.migration(2, "age", BROKEN, "-- another down\n");
    differs("a down");
    repo.configure("[checks]\n\"revert\" = \"off\"\n");
    differs("a severity");
    repo.configure("[checks]\n\"revert\" = \"off\"\n[hook]\nbudget = \"9s\"\n");
    cached(&repo.check(&[]));
    repo.configure("[engine.settings]\nwork_mem = \"5MB\"\n");
    differs("a setting of the server");
}

#[test]
fn a_commit_elsewhere_in_the_repository_changes_nothing() {
    let repo = refused();
    repo.git(&["reset", "--quiet"]);
    repo.write("notes.txt", "");
    repo.git(&["add", "notes.txt"]);
    repo.commit(&[]).ok();
    repo.git(&["add", "migrations"]);
    let verdict = repo.check(&[]);
    cached(&verdict);
    assert_eq!(verdict["base"]["rev"], repo.head().trim(), "the base is today's");
}

#[test]
fn a_damaged_one_is_judged_again() {
    for damage in ["", "0000", "no hash\n{}"] {
        let repo = refused();
        stop(&repo);
        let kept = files(&repo).remove(0);
        fs::write(&kept, damage).unwrap();
        repo.commit(&[]).status(1).says("relation \"persons\" does not exist").does_not_say("cached");
        eventually("it is kept anew", || fs::read(&kept).is_ok_and(|bytes| bytes.len() > 100));
    }
}

#[test]
fn a_server_that_was_replaced_is_asked_for_its_version_first() {
    let repo = refused();
    stop(&repo);
    // What an upgrade of PostgreSQL leaves behind: the version that was seen, of a program that is another now.
    for entry in fs::read_dir(repo.realm().state().join("servers")).unwrap().flatten() {
        let text = fs::read_to_string(entry.path()).unwrap();
        let mut known: serde_json::Value = serde_json::from_str(&text).unwrap();
        known["mark"] = "another".into();
        fs::write(entry.path(), known.to_string()).unwrap();
    }
    repo.commit(&[]).status(1).says("relation \"persons\" does not exist");
    assert_eq!(repo.realm().data_folders().len(), 1, "the server was started, to see");
}

#[test]
fn what_could_not_be_judged_is_not_kept() {
    let repo = Sandbox::alone();
    repo.configure("[hook]\nbudget = \"1s\"\n[limits]\nstatement = \"20s\"\n");
    repo.migration(2, "slow", "SELECT pg_sleep(4);\n", "");
    repo.commit(&[]).failed().says("engine.timeout");
    repo.migd(&["stop"]).ok();
    assert!(files(&repo).is_empty());
}

#[test]
fn the_next_migration_is_judged_on_top_of_a_kept_one() {
    let repo = Sandbox::alone();
    repo.migration(2, "age", GOOD, GOOD_DOWN);
    cached_after_stop(&repo);
    repo.commit(&[]).ok().says("(cached)");
    repo.migration(3, "again", GOOD, GOOD_DOWN);
    repo.commit(&[]).status(1).says("column \"age\" of relation \"users\" already exists");
}

/// Judges what is staged and stops everything.
fn cached_after_stop(repo: &Sandbox) {
    repo.check(&[]);
    eventually("the verdict is on disk", || files(repo).len() == 1);
    stop(repo);
}
