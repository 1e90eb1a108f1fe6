//! Reverts as real chains have them: what looks like a difference and is none, and what is one.

use crate::support::sandbox::Sandbox;

/// How `migd check --all` finds the third migration's revert, after one that makes `view`.
#[track_caller]
fn third(view: &str, up: &str, down: &str) -> String {
    let repo = Sandbox::new();
    repo.migration(2, "view", view, "DROP VIEW recent;\n");
    repo.migration(3, "it", up, down);
    let report = repo.check(&["--all"]);
    let found = report["migrations"].as_array().into_iter().flatten().find(|migration| migration["version"] == "3");
    found.unwrap_or_else(|| panic!("{report:#}"))["reversible"].as_str().unwrap().to_owned()
}

const FROZEN: &str = "CREATE VIEW recent AS SELECT id FROM users WHERE 'now'::timestamp > '2020-01-01';\n";

#[test]
fn a_view_that_froze_the_moment_is_brought_back() {
    assert_eq!(third(FROZEN, "DROP VIEW recent;\n", FROZEN), "yes");
}

#[test]
fn a_view_that_froze_the_moment_and_is_another_is_a_mismatch() {
    let other = FROZEN.replace("SELECT id", "SELECT id + 1 AS id");
    assert_eq!(third(FROZEN, "DROP VIEW recent;\n", &other), "mismatch");
}

#[test]
fn digits_that_the_file_says_are_no_moment() {
    let other = FROZEN.replace("2020-01-01", "2021-01-01");
    let fixed = |view: &str| view.replace("'now'::timestamp", "TIMESTAMP '2025-05-05'");
    assert_eq!(third(&fixed(FROZEN), "DROP VIEW recent;\n", &fixed(&other)), "mismatch");
}

#[test]
fn a_set_in_which_nothing_has_a_down_misses_none() {
    let repo = Sandbox::empty(Sandbox::new().realm());
    repo.write("migd.toml", "[[migrations]]\npath = \"db\"\nlayout = \"flyway\"\n");
    repo.write("db/V1__users.sql", "CREATE TABLE users (id bigint PRIMARY KEY);\n");
    repo.git(&["add", "-A"]);
    let codes = |report: serde_json::Value| report["findings"].to_string();
    assert!(!codes(repo.check(&[])).contains("revert.missing"));

    repo.write("db/V2__name.sql", "ALTER TABLE users ADD name text;\n");
    repo.write("db/U2__name.sql", "ALTER TABLE users DROP name;\n");
    repo.git(&["add", "-A"]);
    assert!(codes(repo.check(&[])).contains("revert.missing"));
}
