//! Repositories that are not the plain kind: judged all the same, or refused with a reason.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use crate::support::realm::Realm;
use crate::support::sandbox::{BROKEN, GOOD, GOOD_DOWN, Sandbox};

/// The hook judges here: a broken migration is refused, and a good one passes.
#[track_caller]
fn judges(repo: &Sandbox) {
    repo.migration(2, "age", BROKEN, GOOD_DOWN);
    repo.write("migrations/2_age.up.sql", GOOD);
    repo.commit(&[]).status(1).says("relation \"persons\" does not exist");
    repo.git(&["add", "migrations"]);
    repo.write("migrations/2_age.up.sql", BROKEN);
    repo.commit(&[]).ok().says("migd: migrations: pass");
}

/// What `migd check` says is this, with this status.
#[track_caller]
fn check_says(repo: &Sandbox, code: &str, status: i32) {
    let ran = repo.migd(&["check"]).status(status);
    ran.says(code);
}

#[test]
fn a_repository_without_sets_is_told_how_to_state_one() {
    let repo = Sandbox::empty(&Realm::shared());
    repo.write("README.md", "");
    repo.git(&["add", "README.md"]);
    repo.commit(&[]).ok().does_not_say("migd");
    check_says(&repo, "config.no-sets", 2);
    repo.migd(&["check"]).says("[[migrations]]");
}

#[test]
fn outside_of_a_repository_there_is_nothing_to_check() {
    check_says(&Sandbox::plain(&Realm::shared()), "config.not-a-repository", 2);
}

#[test]
fn a_bare_repository_has_nothing_staged() {
    let repo = Sandbox::plain(&Realm::shared());
    repo.git(&["init", "--quiet", "--bare", "."]);
    check_says(&repo, "config.bare", 2);
}

#[test]
fn a_corrupt_index_is_said() {
    let repo = Sandbox::new();
    repo.write(".git/index", "DIRC is not what follows");
    check_says(&repo, "config.unreadable-index", 2);
}

#[test]
fn a_conflicted_index_is_said_with_its_files() {
    let repo = Sandbox::new();
    repo.git(&["switch", "--quiet", "--create", "side"]);
    repo.migration(2, "age", GOOD, GOOD_DOWN);
    repo.commit(&[]).ok();
    repo.git(&["switch", "--quiet", "main"]);
    repo.migration(2, "age", "ALTER TABLE users ADD COLUMN age bigint;\n", GOOD_DOWN);
    repo.commit(&[]).ok();
    repo.try_git(&["merge", "side"]).failed();
    check_says(&repo, "config.conflicted-index", 2);
    repo.migd(&["check"]).says("migrations/2_age.up.sql");
    // Resolved, it is judged.
    repo.git(&["add", "migrations"]);
    repo.commit(&[]).status(1).says("error");
    repo.migration(2, "age", "ALTER TABLE users ADD COLUMN age smallint;\n", GOOD_DOWN);
    repo.commit(&[]).ok().says("migd: migrations:");
}

#[test]
fn a_split_index_is_read() {
    let repo = Sandbox::new();
    repo.git(&["update-index", "--split-index"]);
    judges(&repo);
}

#[test]
fn a_sparse_index_is_read() {
    let repo = Sandbox::new();
    repo.write("other/big/file.txt", "");
    repo.git(&["add", "other"]);
    repo.git(&["commit", "--quiet", "--message", "other"]);
    repo.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "migrations"]);
    assert!(!repo.path().join("other").exists(), "it is sparse");
    judges(&repo);
}

#[test]
fn migrations_outside_of_a_sparse_checkout_belong_to_the_chain() {
    let repo = Sandbox::new();
    repo.write("docs/notes.txt", "");
    repo.git(&["add", "docs"]);
    repo.git(&["commit", "--quiet", "--message", "docs"]);
    repo.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "docs"]);
    repo.write("migrations/2_age.up.sql", GOOD);
    repo.write("migrations/2_age.down.sql", GOOD_DOWN);
    repo.git(&["add", "--sparse", "migrations"]);
    repo.commit(&[]).ok().says("migd: migrations: pass");
}

#[test]
fn a_reftable_repository_is_read() {
    special(&["--ref-format=reftable"]);
}

#[test]
fn a_sha256_repository_is_read() {
    special(&["--object-format=sha256"]);
}

/// A repository that `git init` makes with further options.
#[track_caller]
fn special(options: &[&str]) {
    let repo = Sandbox::plain(&Realm::shared());
    repo.git(&[&["init", "--quiet"], options].concat());
    repo.migd(&["hook", "install"]).ok();
    repo.migration(1, "users", "CREATE TABLE users (id bigint PRIMARY KEY);\n", "DROP TABLE users;\n");
    repo.commit(&[]).ok().says("migd: migrations: pass");
    judges(&repo);
}

#[test]
fn two_sets_in_one_repository_are_judged_each_for_itself() {
    let repo = Sandbox::empty(&Realm::shared());
    repo.configure(
        "[[migrations]]\npath = \"a/db\"\nlayout = \"sqlx\"\nname = \"first\"\n\
         [[migrations]]\npath = \"b/db\"\nlayout = \"golang-migrate\"\nname = \"second\"\n",
    );
    for (set, up) in [("a", "CREATE TABLE t (id integer);\n"), ("b", "CREATE TABLE t (id integer, id integer);\n")] {
        repo.write(&format!("{set}/db/1_t.up.sql"), up);
        repo.write(&format!("{set}/db/1_t.down.sql"), "DROP TABLE t;\n");
    }
    repo.git(&["add", "a", "b"]);
    repo.commit(&[]).status(1).says("migd: first: pass").says("migd: second: fail").says("b/db/1_t.up.sql:1");
    let report = repo.check(&["--set", "first"]);
    assert_eq!((&report["set"], &report["outcome"]), (&"first".into(), &"pass".into()));
}

#[test]
fn a_folder_with_spaces_quotes_and_umlauts_is_a_folder() {
    let realm = Realm::shared();
    let outer = Sandbox::plain(&realm);
    outer.write("it's \"größer\" $HOME/.keep", "");
    let repo = outer.at("it's \"größer\" $HOME");
    repo.git(&["init", "--quiet", "."]);
    repo.migd(&["hook", "install"]).ok();
    repo.migration(1, "users", "CREATE TABLE users (id bigint PRIMARY KEY);\n", "DROP TABLE users;\n");
    judges(&repo);
}

#[test]
fn a_folder_whose_name_is_no_utf_8_or_takes_two_lines_is_a_folder() {
    for (name, split) in
        [(b"caf\xe9" as &[u8], false), (b"caf\xe9", true), (b"two\nlines\n", false), (b"two\nlines\n", true)]
    {
        let outer = Sandbox::plain(&Realm::shared());
        let name = OsStr::from_bytes(name);
        fs::create_dir(outer.path().join(name)).unwrap();
        let repo = outer.at(name);
        repo.git(&["init", "--quiet", "."]);
        repo.migd(&["hook", "install"]).ok();
        repo.migration(1, "users", "CREATE TABLE users (id bigint PRIMARY KEY);\n", "DROP TABLE users;\n");
        if split {
            // Which only the git program reads.
            repo.git(&["update-index", "--split-index"]);
        }
        judges(&repo);
    }
}

#[test]
fn an_index_in_a_folder_whose_name_is_no_utf_8_is_the_one_that_is_judged() {
    let outer = Sandbox::plain(&Realm::shared());
    let name = OsStr::from_bytes(b"caf\xe9");
    fs::create_dir(outer.path().join(name)).unwrap();
    let repo = outer.at(name);
    repo.git(&["init", "--quiet", "."]);
    repo.migd(&["hook", "install"]).ok();
    repo.migration(1, "users", "CREATE TABLE users (id bigint PRIMARY KEY);\n", "DROP TABLE users;\n");
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "users"]);
    repo.git(&["worktree", "add", "--quiet", "../linked"]);
    let linked = outer.at("linked");
    linked.migration(2, "age", GOOD, GOOD_DOWN);
    linked.write("migrations/2_age.up.sql", BROKEN);
    // Git names the index that `--all` makes by its whole path, which is in the first work tree's folder.
    linked.commit(&["--all"]).status(1).says("relation \"persons\" does not exist");
    linked.commit(&[]).ok().says("migd: migrations: pass");
}
