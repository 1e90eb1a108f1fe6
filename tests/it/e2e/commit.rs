//! `git commit` in every form: judged is what is being committed, never the work tree.

use crate::support::realm::{Realm, run};
use crate::support::sandbox::{BROKEN, GOOD, GOOD_DOWN, Sandbox};

const UP: &str = "migrations/2_age.up.sql";
const PASS: &str = "migd: migrations: pass";
const FAIL: &str = "error[apply.error]: relation \"persons\" does not exist";

/// A good migration is staged, and the work tree has a broken one.
fn good_staged() -> Sandbox {
    let repo = Sandbox::new();
    repo.migration(2, "age", GOOD, GOOD_DOWN);
    repo.write(UP, BROKEN);
    repo
}

/// A broken migration is staged, and the work tree has a good one.
fn broken_staged() -> Sandbox {
    let repo = Sandbox::new();
    repo.migration(2, "age", BROKEN, GOOD_DOWN);
    repo.write(UP, GOOD);
    repo
}

/// A good migration is committed.
fn good_committed() -> Sandbox {
    let repo = Sandbox::new();
    repo.migration(2, "age", GOOD, GOOD_DOWN);
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "age"]);
    repo
}

#[test]
fn a_plain_commit_of_a_good_migration_passes_whatever_the_work_tree_has() {
    let repo = good_staged();
    repo.commit(&[]).ok().says(PASS);
    repo.git(&["show", &format!("HEAD:{UP}")]).says(GOOD);
}

#[test]
fn a_plain_commit_of_a_broken_migration_is_refused_whatever_the_work_tree_has() {
    let repo = broken_staged();
    let before = repo.head();
    repo.commit(&[]).status(1).says(FAIL).says(&format!("{UP}:1:1"));
    assert_eq!(repo.head(), before, "nothing was committed");
}

#[test]
fn all_judges_the_work_tree_because_it_commits_it() {
    good_committed_then(BROKEN).commit(&["--all"]).status(1).says(FAIL);
    good_committed_then("ALTER TABLE users ADD COLUMN age bigint;\n").commit(&["--all"]).ok().says("migd: migrations:");
}

fn good_committed_then(work_tree: &str) -> Sandbox {
    let repo = good_committed();
    repo.write(UP, work_tree);
    repo
}

#[test]
fn patch_judges_the_hunks_that_were_chosen() {
    let lines = "-- one\n-- two\n-- three\n-- four\n-- five\n-- six\n-- seven\n-- eight\n";
    let repo = Sandbox::new();
    repo.migration(2, "age", format!("{lines}{GOOD}"), GOOD_DOWN);
    repo.commit(&[]).ok();
    // Two hunks: the first is harmless, the second does not apply.
    repo.write(UP, format!("-- edited\n{lines}{GOOD}{BROKEN}"));
    let patch = |answers: &str| {
        let mut command = repo.command("git");
        command.args(["commit", "--quiet", "--patch", "--message", "patch"]);
        run(command, answers)
    };
    patch("n\ny\n").status(1).says(FAIL);
    patch("y\nn\n").ok().says("migd: migrations:").does_not_say("persons\" does not exist");
    repo.git(&["show", &format!("HEAD:{UP}")]).says("-- edited").does_not_say("persons");
}

#[test]
fn paths_judge_those_files_and_not_the_index() {
    let repo = good_committed();
    // The index has a broken third migration; committed is only a good change of the second.
    repo.migration(3, "broken", BROKEN, GOOD_DOWN);
    repo.write(UP, "ALTER TABLE users ADD COLUMN age bigint;\n");
    repo.commit(&["--", UP]).ok().says("migd: migrations:").does_not_say("persons");
    repo.git(&["show", "--stat", "HEAD"]).says("2_age.up.sql").does_not_say("3_broken");
    repo.commit(&["--", "migrations/3_broken.up.sql"]).status(1).says(FAIL);
}

#[test]
fn include_judges_the_index_with_those_files() {
    let repo = good_committed();
    repo.write("notes.txt", "one\n");
    repo.git(&["add", "notes.txt"]);
    repo.write(UP, BROKEN);
    repo.commit(&["--include", UP]).status(1).says(FAIL);
}

#[test]
fn amend_judges_the_amended_commit() {
    let repo = good_committed();
    repo.write(UP, BROKEN);
    repo.git(&["add", UP]);
    repo.write(UP, GOOD);
    repo.commit(&["--amend"]).status(1).says(FAIL);
    repo.write(UP, "ALTER TABLE users ADD COLUMN age smallint;\n");
    repo.git(&["add", UP]);
    repo.commit(&["--amend"]).ok().says("migd: migrations:");
}

#[test]
fn from_a_subfolder_the_whole_repository_is_judged() {
    let repo = broken_staged();
    repo.write("deep/down/notes.txt", "");
    repo.at("deep/down").commit(&[]).status(1).says(FAIL);
    let repo = good_staged();
    repo.at("migrations").commit(&[]).ok().says(PASS);
}

#[test]
fn a_linked_worktree_has_its_own_index() {
    let repo = broken_staged();
    repo.git(&["worktree", "add", "--quiet", "linked"]);
    let linked = repo.at("linked");
    linked.migration(2, "age", GOOD, GOOD_DOWN);
    linked.write(UP, BROKEN);
    linked.commit(&[]).ok().says(PASS);
    repo.commit(&[]).status(1).says(FAIL);
    linked.migration(3, "broken", BROKEN, GOOD_DOWN);
    linked.commit(&[]).status(1).says(FAIL);
}

#[test]
fn git_dir_and_work_tree_from_the_environment_are_heeded() {
    let elsewhere = Sandbox::plain(&Realm::shared());
    for (repo, verdict) in [(good_staged(), PASS), (broken_staged(), FAIL)] {
        let mut command = elsewhere.command("git");
        command.env("GIT_DIR", repo.path().join(".git")).env("GIT_WORK_TREE", repo.path());
        command.args(["commit", "--quiet", "--message", "from elsewhere"]);
        run(command, "").says(verdict);
    }
}

#[test]
fn another_index_from_the_environment_is_heeded() {
    let repo = broken_staged();
    let mut command = repo.command("git");
    command.env("GIT_INDEX_FILE", "other-index").args(["read-tree", "HEAD"]);
    run(command, "").ok();
    repo.write(UP, GOOD);
    let mut command = repo.command("git");
    command.env("GIT_INDEX_FILE", "other-index").args(["add", "migrations"]);
    run(command, "").ok();
    let mut command = repo.command("git");
    command.env("GIT_INDEX_FILE", "other-index").args(["commit", "--quiet", "--message", "other"]);
    run(command, "").ok().says(PASS);
}

#[test]
fn the_first_commit_of_a_repository_is_judged() {
    for (up, status, verdict) in [(BROKEN, 1, FAIL), ("CREATE TABLE users (id integer);\n", 0, PASS)] {
        let repo = Sandbox::empty(&Realm::shared());
        repo.migration(1, "first", up, "DROP TABLE users;\n");
        repo.commit(&[]).status(status).says(verdict);
    }
}

#[test]
fn a_merge_commit_is_judged_as_it_will_be() {
    let repo = Sandbox::new();
    // Each side is right by itself; together one of the two columns is there twice.
    repo.git(&["switch", "--quiet", "--create", "side"]);
    repo.migration(3, "side", GOOD, GOOD_DOWN);
    repo.commit(&[]).ok().says(PASS);
    repo.git(&["switch", "--quiet", "main"]);
    repo.migration(2, "main", GOOD, GOOD_DOWN);
    repo.commit(&[]).ok().says(PASS);
    repo.git(&["merge", "--no-commit", "--quiet", "side"]);
    repo.commit(&[]).status(1).says("column \"age\" of relation \"users\" already exists");
    repo.migration(3, "side", "ALTER TABLE users ADD COLUMN born date;\n", "ALTER TABLE users DROP COLUMN born;\n");
    repo.commit(&[]).ok().says("migd: migrations:");
    repo.git(&["show", "--no-patch", "--format=%P"]).says(" ");
}

#[test]
fn an_intent_to_add_is_not_staged() {
    let repo = Sandbox::new();
    repo.write("notes.txt", "");
    repo.git(&["add", "notes.txt"]);
    repo.write("migrations/2_later.up.sql", BROKEN);
    repo.git(&["add", "--intent-to-add", "migrations/2_later.up.sql"]);
    repo.commit(&[]).ok().does_not_say("persons");
}

#[test]
fn a_commit_that_touches_no_set_says_nothing_and_starts_nothing() {
    let repo = Sandbox::alone();
    repo.write("notes.txt", "none of migd's business\n");
    repo.git(&["add", "notes.txt"]);
    let ran = repo.commit(&[]).ok();
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
    assert_eq!(repo.realm().processes(), [0; 0], "nothing was started");
    assert!(!repo.realm().runtime().join("daemon.sock").exists());
}

#[test]
fn a_commit_that_touches_no_set_says_nothing_to_a_daemon_that_runs_either() {
    let repo = good_staged();
    repo.commit(&[]).ok().says(PASS);
    repo.write("notes.txt", "none of migd's business\n");
    repo.git(&["add", "notes.txt"]);
    let ran = repo.commit(&[]).ok();
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
}

#[test]
fn a_migration_that_was_unstaged_again_is_not_judged() {
    let repo = broken_staged();
    repo.git(&["reset", "--quiet", "--", "migrations"]);
    repo.commit(&["--allow-empty"]).ok().does_not_say("migd");
}

#[test]
fn migd_0_is_said_visibly() {
    let repo = broken_staged();
    let mut command = repo.command("git");
    command.env("MIGD", "0").args(["commit", "--quiet", "--message", "unjudged"]);
    run(command, "").ok().says("migd: off for this commit (MIGD=0), nothing was judged");
}

#[test]
fn no_control_characters_are_printed_where_there_is_no_terminal() {
    let repo = Sandbox::new();
    let up = "-- \u{1b}[31mred\u{7}\u{202e}\nALTER TABLE \"per\u{1b}[2Jsons\" ADD COLUMN \"\u{9b}31m\" integer;\n";
    repo.migration(2, "colours", up, GOOD_DOWN);
    let ran = repo.commit(&[]).status(1);
    let all = format!("{}{}", ran.out, ran.err);
    let control = all.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
    assert_eq!(control, None, "{ran}");
}
