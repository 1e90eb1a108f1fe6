//! Branches of real repositories: what production may have, and what another branch brings.

use crate::support::sandbox::Sandbox;

const UPSTREAM: &str =
    "[history]\nupstream = \"main\"\n[[migrations]]\npath = \"migrations\"\nlayout = \"golang-migrate\"\n";

/// A committed step that nobody judges.
fn committed(repo: &Sandbox, version: u32, name: &str, up: &str, down: &str) {
    repo.migration(version, name, up, down);
    repo.git(&["commit", "--quiet", "--no-verify", "--message", name]);
}

/// `main` with the users of migration 1, and a branch from there that is checked out.
fn branched() -> Sandbox {
    let repo = Sandbox::new();
    repo.configure(UPSTREAM);
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "configure"]);
    repo.git(&["switch", "--quiet", "--create", "feature"]);
    repo
}

/// Commits a migration on `main`, and comes back.
fn meanwhile(repo: &Sandbox, version: u32, name: &str, up: &str, down: &str) {
    repo.git(&["switch", "--quiet", "main"]);
    committed(repo, version, name, up, down);
    repo.git(&["switch", "--quiet", "feature"]);
}

/// The findings about the order and history of the set.
#[track_caller]
fn history(repo: &Sandbox) -> Vec<String> {
    let report = repo.check(&[]);
    let codes =
        report["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap().to_owned());
    codes.filter(|code| code.starts_with("history.")).collect()
}

const TAGS: &str = "CREATE TABLE tags (id bigint PRIMARY KEY);\n";
const NO_TAGS: &str = "DROP TABLE tags;\n";

#[test]
fn a_version_that_production_would_skip_is_refused_with_the_way_out() {
    let repo = Sandbox::new();
    repo.configure(UPSTREAM);
    committed(&repo, 3, "tags", TAGS, NO_TAGS);
    repo.git(&["switch", "--quiet", "--create", "feature"]);
    repo.migration(2, "labels", "CREATE TABLE labels (id bigint PRIMARY KEY);\n", "DROP TABLE labels;\n");
    let ran = repo.commit(&[]).status(1);
    ran.says("history.out-of-order").says("golang-migrate would never run it there").says("give it a version after 3");
    repo.git(&["mv", "migrations/2_labels.up.sql", "migrations/4_labels.up.sql"]);
    repo.git(&["mv", "migrations/2_labels.down.sql", "migrations/4_labels.down.sql"]);
    repo.commit(&[]).ok().says("migd: migrations: pass");
}

#[test]
fn what_is_on_the_branch_alone_may_be_edited_and_what_main_has_may_not() {
    let repo = branched();
    committed(&repo, 2, "tags", TAGS, NO_TAGS);
    repo.migration(2, "tags", "CREATE TABLE tags (id uuid PRIMARY KEY);\n", NO_TAGS);
    repo.commit(&[]).ok().says("migd: migrations: pass");
    repo.migration(1, "users", "CREATE TABLE users (id uuid PRIMARY KEY, email text);\n", "DROP TABLE users;\n");
    repo.commit(&[]).status(1).says("history.edited").says("git restore --source=");
}

#[test]
fn a_merge_of_main_is_not_blamed_for_what_main_did() {
    let repo = branched();
    committed(&repo, 9, "tags", TAGS, NO_TAGS);
    // Whatever the reason was: it is on main, and production may have it as it is there.
    let edited = "-- made by hand\nCREATE TABLE users (id bigint PRIMARY KEY, email text, name text);\n";
    meanwhile(&repo, 1, "users", edited, "DROP TABLE users;\n");
    meanwhile(&repo, 2, "labels", "CREATE TABLE labels (id bigint PRIMARY KEY);\n", "DROP TABLE labels;\n");
    repo.git(&["merge", "--quiet", "--no-commit", "--no-ff", "main"]);
    assert_eq!(history(&repo), [""; 0]);
    repo.commit(&[]).ok().says("migd: migrations: pass");
    repo.migration(10, "age", "ALTER TABLE users ADD COLUMN age integer;\n", "ALTER TABLE users DROP COLUMN age;\n");
    assert_eq!(history(&repo), [""; 0], "nor afterwards");
}

#[test]
fn a_merge_without_an_upstream_brings_nothing_late() {
    let repo = Sandbox::new();
    repo.git(&["switch", "--quiet", "--create", "feature"]);
    committed(&repo, 2, "tags", TAGS, NO_TAGS);
    repo.git(&["switch", "--quiet", "main"]);
    committed(&repo, 3, "labels", "CREATE TABLE labels (id bigint PRIMARY KEY);\n", "DROP TABLE labels;\n");
    repo.git(&["merge", "--quiet", "--no-commit", "--no-ff", "feature"]);
    assert_eq!(history(&repo), [""; 0]);
}

#[test]
fn two_branches_that_go_together_pass_in_both_orders() {
    let repo = branched();
    meanwhile(&repo, 2, "tags", TAGS, NO_TAGS);
    repo.migration(3, "age", "ALTER TABLE users ADD COLUMN age integer;\n", "ALTER TABLE users DROP COLUMN age;\n");
    repo.commit(&[]).ok().says("migd: migrations: pass");
    let report = repo.check(&["--all"]);
    let steps: Vec<&str> = report["timings"].as_array().unwrap().iter().map(|t| t["step"].as_str().unwrap()).collect();
    assert!(steps.contains(&"both orders"), "{steps:?}");
}

#[test]
fn a_branch_that_does_not_apply_after_main_is_refused() {
    let repo = branched();
    let (there, back) = ("email TO mail", "mail TO email");
    let rename = |what| format!("ALTER TABLE users RENAME COLUMN {what};\n");
    meanwhile(&repo, 2, "mail", &rename(there), &rename(back));
    repo.migration(3, "mails", "CREATE VIEW mails AS SELECT email FROM users;\n", "DROP VIEW mails;\n");
    let ran = repo.commit(&[]).status(1);
    let ran = ran.says("history.conflict").says("do not apply after main's 2").says("column \"email\" does not exist");
    ran.says("migrations/3_mails.up.sql").says("update from main");
}

#[test]
fn a_branch_that_main_does_not_apply_after_is_refused() {
    let repo = branched();
    meanwhile(&repo, 2, "named", "ALTER TABLE users ADD COLUMN name text;\n", "ALTER TABLE users DROP COLUMN name;\n");
    let up = "ALTER TABLE users ADD COLUMN IF NOT EXISTS name text;\n";
    repo.migration(3, "name", up, "ALTER TABLE users DROP COLUMN name;\n");
    repo.commit(&[]).status(1).says("history.conflict").says("main's migrations do not apply after this branch's 3");
}

#[test]
fn two_orders_that_make_two_schemas_are_refused() {
    let repo = branched();
    let add = |kind| format!("ALTER TABLE users ADD COLUMN IF NOT EXISTS age {kind};\n");
    let down = "ALTER TABLE users DROP COLUMN age;\n";
    meanwhile(&repo, 2, "age", &add("integer"), down);
    repo.migration(3, "age", add("bigint"), down);
    repo.commit(&[]).status(1).says("history.conflict").says("make two schemas").says("column users.age");
}

#[test]
fn one_version_on_both_branches_is_refused() {
    let repo = branched();
    meanwhile(&repo, 2, "tags", TAGS, NO_TAGS);
    repo.migration(2, "age", "ALTER TABLE users ADD COLUMN age integer;\n", "ALTER TABLE users DROP COLUMN age;\n");
    let ran = repo.commit(&[]).status(1);
    ran.says("version 2 is taken on main by migrations/2_tags.up.sql").says("next free version");
}

#[test]
fn a_statement_for_development_is_a_warning_or_what_is_configured() {
    let repo = branched();
    let up = "-- DEV/TEST ONLY: start clean.\nDELETE FROM users;\n";
    repo.migration(2, "clean", up, "SELECT 1;\n");
    repo.migd(&["check"]).says("warning[history.dev-only]: `DELETE FROM users`");
    repo.configure(&format!("{UPSTREAM}[checks]\n\"history.dev-only\" = \"error\"\n"));
    repo.migd(&["check"]).status(1).says("error[history.dev-only]");
    repo.migration(
        2,
        "clean",
        format!("-- migd: allow history.dev-only -- the table is empty there\n{up}"),
        "SELECT 1;\n",
    );
    assert!(!repo.migd(&["check"]).out.contains("error[history.dev-only]"));
}
