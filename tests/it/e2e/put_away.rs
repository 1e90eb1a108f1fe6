//! A server that is stopped leaves its templates to the next one: verdicts are as true, and no chain is built for them.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::support::realm::eventually;
use crate::support::sandbox::{BROKEN, GOOD, GOOD_DOWN, Sandbox};

const THERE: &str = "the templates of an earlier server are there";
const PASS: &str = "migd: migrations: pass";

fn stop(repo: &Sandbox) {
    repo.migd(&["stop"]).ok();
    eventually("nothing runs", || repo.realm().is_empty());
}

/// Where the cluster was put away.
fn kept(repo: &Sandbox) -> PathBuf {
    let mut entries = fs::read_dir(repo.realm().state().join("kept")).into_iter().flatten().flatten();
    entries.next().unwrap_or_else(|| panic!("nothing was put away: {}", repo.realm().log())).path()
}

/// What was put away was tried, at least.
#[track_caller]
fn was_there(repo: &Sandbox) {
    let log = repo.realm().log();
    assert!(log.contains(THERE), "{log}");
}

/// A repository whose chain has a role and rows, judged and committed, and its server stopped.
fn judged() -> Sandbox {
    let repo = Sandbox::alone();
    let up = "CREATE ROLE clerk; CREATE TABLE notes (id int PRIMARY KEY, body text); GRANT INSERT ON notes TO clerk;\n\
              INSERT INTO notes VALUES (1, 'one'), (2, 'two');\n";
    repo.migration(2, "notes", up, "DROP TABLE notes; DROP ROLE clerk;\n");
    repo.commit(&[]).ok().says(PASS);
    repo.migration(3, "good", GOOD, GOOD_DOWN);
    repo.check(&[]);
    eventually("templates before and after are there, with their clones", || {
        let status = repo.migd(&["status", "--json"]).ok().json();
        let pool = &status["engines"][0]["pool"];
        pool["templates"].as_u64() > Some(1) && pool["ready"].as_u64() > Some(1)
    });
    repo.git(&["reset", "--quiet", "--hard"]);
    stop(&repo);
    repo
}

#[test]
fn the_next_server_has_the_templates_and_judges_as_the_one_before() {
    let repo = judged();
    repo.migration(3, "broken", BROKEN, GOOD_DOWN);
    repo.commit(&[]).status(1).says("relation \"persons\" does not exist");
    was_there(&repo);
    repo.migration(
        3,
        "broken",
        "ALTER TABLE notes ADD UNIQUE (body); REVOKE INSERT ON notes FROM clerk;\n",
        "SELECT 1;\n",
    );
    repo.commit(&[]).status(1).says("data.unique").says("revert.schema-mismatch");
    repo.migration(3, "broken", "DROP TABLE notes; DROP ROLE clerk;\n", "");
    repo.commit(&[]).status(1).says("loss.").does_not_say("apply.");
    repo.migration(3, "broken", "INSERT INTO notes VALUES (3, 'three');\n", "DELETE FROM notes WHERE id = 3;\n");
    repo.commit(&[]).says("3_broken");
    stop(&repo);
    repo.next_good_one_passes();
}

#[test]
fn a_stop_without_a_judgement_leaves_it_as_it_was() {
    let repo = judged();
    let about = kept(&repo).join("about.json");
    let before = fs::metadata(&about).unwrap().modified().unwrap();
    repo.migd(&["start"]).ok();
    stop(&repo);
    assert_eq!(fs::metadata(&about).unwrap().modified().unwrap(), before);
    repo.migration(3, "good", GOOD, GOOD_DOWN);
    repo.commit(&[]).ok().says(PASS);
}

#[test]
fn a_damaged_one_costs_no_verdict() {
    let repo = judged();
    // The files of its databases are what most of it is.
    let cluster = fs::OpenOptions::new().write(true).open(kept(&repo).join("cluster")).unwrap();
    let half = cluster.metadata().unwrap().len() / 2;
    cluster.write_all_at(&vec![0; 4 << 20], half).unwrap();
    repo.migration(3, "note", "ALTER TABLE notes ADD more text;\n", "ALTER TABLE notes DROP more;\n");
    repo.commit(&[]).ok().says(PASS);
    let log = repo.realm().log();
    assert!(log.contains("it is not what was put away"), "{log}");
}

#[test]
fn one_that_says_something_else_by_now_decides_no_verdict() {
    let repo = judged();
    let path = kept(&repo).join("cluster");
    let mut bytes = fs::read(&path).unwrap();
    // A bit of a column's name, wherever the catalog has it: the server would take it for the name.
    let name = b"body\0\0\0\0";
    let places: Vec<usize> = (0..bytes.len() - name.len()).filter(|at| bytes[*at..].starts_with(name)).collect();
    assert!(!places.is_empty());
    places.iter().for_each(|at| bytes[at + 3] ^= 1);
    fs::write(&path, bytes).unwrap();
    repo.migration(
        3,
        "note",
        "COMMENT ON COLUMN notes.body IS 'what it says';\n",
        "COMMENT ON COLUMN notes.body IS NULL;\n",
    );
    repo.commit(&[]).ok().says(PASS);
    assert!(!repo.realm().log().contains(THERE), "{}", repo.realm().log());
}

#[test]
fn without_a_daemon_nothing_is_put_away() {
    let repo = Sandbox::alone();
    repo.migration(2, "good", GOOD, GOOD_DOWN);
    repo.check(&["--no-daemon"]);
    assert!(!repo.realm().state().join("kept").exists());
}
